"""What is written to disk: checkpoints, runs to go on with, the learner's own files."""
