"""What people read about the command: topics with examples, the man page; and what a shell completes.

All of it is made of the parsers of the commands and of the tables of the library, so that a new command, option or
preset appears by itself.
"""
