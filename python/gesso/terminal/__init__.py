"""What people see on a terminal: texts, a canvas that settles, progress. Commands of `gesso` use it."""
