"""Widgets for exploring trained models, one a file. They use what ipywidgets 7.7 and 8.1 share.

Each also shows a static table of its default view, for GitHub, PDF, screen readers and tests.
"""
