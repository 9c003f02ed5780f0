"""What runs before anything is installed: standard library alone."""
