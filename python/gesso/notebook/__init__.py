"""What notebooks show: a model, a result, and a canvas that settles, as HTML without scripts; and bars of progress."""
