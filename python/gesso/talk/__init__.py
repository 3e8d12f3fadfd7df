"""A conversation with a model, as `gesso chat` holds it on a terminal or on a pipe."""
