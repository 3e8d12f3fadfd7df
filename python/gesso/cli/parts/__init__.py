"""What several commands share, or what is too long to stand in one of them."""
