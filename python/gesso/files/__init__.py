"""Files of weights: what they hold, how they are read and written. Knows no model."""
