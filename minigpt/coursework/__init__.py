"""Exercises, their grading, worksheets of one's own, and what a class does together."""
