"""How the course shows things: tables, figures, strips, live runs, predictions, widgets."""
