"""The machinery under the stages: optimizer, checkpoint files, devices. Read it last."""
