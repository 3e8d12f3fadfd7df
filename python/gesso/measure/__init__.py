"""Measures speed, memory, differences between models and importance, for commands and benchmarks."""
