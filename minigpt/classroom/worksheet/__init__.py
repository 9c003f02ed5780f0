"""A worksheet of a student's own: tasks, their checks, their words."""
