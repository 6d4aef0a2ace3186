"""Scripts that measure Headwater itself. Each prints a table and writes it to `docs/benchmarks/`."""
