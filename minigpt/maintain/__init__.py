"""What only the course's maintainers run."""
