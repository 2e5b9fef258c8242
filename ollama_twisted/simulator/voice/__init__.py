"""The words of each protocol for one and the same generation."""
