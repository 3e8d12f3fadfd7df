"""What commands and benchmarks measure: speed, memory, differences between models, importance."""
