"""The course as coursework: assignments, grading, worksheets, what a class does together."""
