"""Ctrl-C while the command `gesso` starts or ends: the process ends at once with status 130.

Most of the start is imports. A KeyboardInterrupt in one of them would be shown as a traceback, or be lost in the import
system. Nothing is under way then, so nothing has to be undone.
"""

import os
import signal
import sys

EXIT_INTERRUPTED = 130


def _is_command() -> bool:
    """Whether this process was started as `gesso ...` or as `python -m gesso ...`."""
    if not sys.argv:
        return False
    if sys.argv[0] == "-m":  # what it is while Python imports the package of the module that it will run
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") == "gesso"
    return os.path.basename(sys.argv[0]) == "gesso"


def _exit(*_: object) -> None:
    os._exit(EXIT_INTERRUPTED)


IS_COMMAND = _is_command()


def begin() -> None:
    """From now on Ctrl-C ends the process, if it is the command. An ignored signal stays ignored."""
    if IS_COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


def end() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


begin()
