"""Makes models of random weights. They compute as much as real ones, and their text is nonsense."""
