"""What the notebook on this needs alone."""
