"""Runs the command `gesso` as a separate process, with pipes or in a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios


def start(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "gesso", *arguments], **options)


def run(*arguments, stdin=b""):
    """Runs the command with pipes and returns its exit status, standard output and standard error."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = start(*arguments, **pipes)
    out, err = process.communicate(stdin, timeout=120)
    return process.returncode, out.decode(), err.decode()


def run_in_terminal(*arguments, columns=60, rows=20, typed=""):
    """Runs the command in a terminal of that size, where somebody has typed that. Returns its exit status and
    everything that it sent there."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    process = start(*arguments, **streams, env=environment | {"TERM": "xterm"})
    os.close(terminal)
    os.write(controller, typed.encode())
    sent = b""
    while True:
        try:
            data = os.read(controller, 65536)
        except OSError:  # on Linux, this means that the other end is closed
            data = b""
        if not data:
            break
        sent += data
    os.close(controller)
    return process.wait(timeout=60), sent.decode()


def screen(sent):
    """Returns the rows that a tall terminal shows after it was sent this."""
    rows, row, column = [""], 0, 0
    for argument, command, text in re.findall(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n]|[^\x1b\r\n]+)", sent):
        if command == "A":
            row -= int(argument or 1)
        elif command == "K":
            rows[row] = ""
        elif text == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif text == "\r":
            column = 0
        elif text:
            rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
            column += len(text)
        else:
            assert command in "mhl"  # colours, and the cursor's visibility
    return [row.rstrip() for row in rows]
