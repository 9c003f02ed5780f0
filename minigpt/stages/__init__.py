"""The trained stages: made, loaded, asked and measured."""
