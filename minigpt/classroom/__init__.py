"""The course as coursework: assignments, grading, worksheets, platforms, a class together."""
