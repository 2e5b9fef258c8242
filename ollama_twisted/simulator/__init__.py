"""A node without a GPU, for tests, benchmarks and the demo."""
