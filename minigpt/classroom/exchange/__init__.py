"""The way of a class's files: who is in it, what came in, and what goes back to the platform."""
