"""What makes the course fast: optimizer, batches, decoding, devices. It knows the model alone."""
