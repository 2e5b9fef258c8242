"""What the operator may say, read once into one checked value."""
