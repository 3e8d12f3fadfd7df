"""The models that come with the package, the puzzles of one and the questions for the other."""
