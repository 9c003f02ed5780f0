"""Grading: a submission put in order, its answers run apart, points and pages."""
