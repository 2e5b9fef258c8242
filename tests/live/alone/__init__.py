"""What is measured here would not be the same if anything else ran beside it."""
