"""The model that comes with the package, and its puzzles."""
