"""A gateway watched from a terminal: what it tells of itself, kept current and drawn."""
