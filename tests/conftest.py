"""What all tests need."""

import signal

# Started in the background of a script, a process ignores SIGINT, and so do the processes that it starts. Tests send
# that signal to commands.
signal.signal(signal.SIGINT, signal.default_int_handler)
