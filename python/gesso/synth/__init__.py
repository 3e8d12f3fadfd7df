"""Models of random weights, which compute as real ones do and say nothing."""
