"""What a class does together with its own labels."""
