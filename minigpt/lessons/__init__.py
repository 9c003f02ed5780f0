"""What one notebook needs alone, a folder a notebook."""
