"""What the benchmarks are made of: processes, load, measures and tables."""
