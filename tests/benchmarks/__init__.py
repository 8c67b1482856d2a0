"""What the benchmarks compute without measuring."""
