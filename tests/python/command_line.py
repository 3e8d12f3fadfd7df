"""Runs the command `gesso` as a separate process, with pipes or in a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios


def start(*arguments, program=(), **options):
    """Starts the command, or this program in its place."""
    return subprocess.Popen([*(program or (sys.executable, "-m", "gesso")), *arguments], **options)


def run(*arguments, stdin=b""):
    """Runs the command with pipes and returns its exit status, standard output and standard error."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = start(*arguments, **pipes)
    out, err = process.communicate(stdin, timeout=120)
    return process.returncode, out.decode(), err.decode()


def run_in_terminal(*arguments, columns=60, rows=20, typed=""):
    """Runs the command in a terminal of that size, where somebody has typed that. Returns its exit status and
    everything that it sent there."""
    process, controller = start_in_terminal(*arguments, columns=columns, rows=rows)
    os.write(controller, typed.encode())
    sent = read_until(controller)
    os.close(controller)
    return process.wait(timeout=60), sent


def start_in_terminal(*arguments, columns=60, rows=20, environment=(), program=()):
    """Starts the command in a terminal of that size. Returns the process, and the terminal's other end."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = start(
        *arguments,
        program=program,
        **dict.fromkeys(("stdin", "stdout", "stderr"), terminal),
        env=kept | {"TERM": "xterm"} | dict(environment),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C goes to those whose terminal this is
    )
    os.close(terminal)
    return process, controller


def read_until(controller, text=None):
    """Returns what the terminal was sent up to this text and a little more, or up to the end."""
    sent = b""
    while text is None or text.encode() not in sent:
        try:
            data = os.read(controller, 65536)
        except OSError:  # on Linux, this means that the other end is closed
            data = b""
        if not data:
            break
        sent += data
    return sent.decode(errors="replace" if text else "strict")


PATIENCE = 120  # seconds without a word, after which a test gives up


class Terminal:
    """The command in a terminal, in which a test types."""

    def __init__(self, *arguments, **options):
        """options: as those of `start_in_terminal`."""
        self._process, self._controller = start_in_terminal(*arguments, **options)
        self._bytes = b""
        self._seen = 0  # so many characters of what was sent have been waited for

    @property
    def sent(self):
        return self._bytes.decode()

    def type(self, text):
        os.write(self._controller, text.encode())

    def until(self, text):
        """Waits until the command sends this, behind what was waited for before, and returns all in front of it.

        Escapes, which colour the text or move the cursor, are left out.
        """
        while (found := plain(self._bytes.decode(errors="ignore")).find(text, self._seen)) < 0:
            if not self._read():
                raise AssertionError(f"{text!r} was not sent; got {plain(self.sent)[self._seen :]!r}")
        before = plain(self._bytes.decode(errors="ignore"))[self._seen : found]
        self._seen = found + len(text)
        return before

    def end(self):
        """Reads until the command ends, and returns its exit status."""
        while self._read():
            pass
        os.close(self._controller)
        return self._process.wait(timeout=60)

    def _read(self):
        """Reads what comes next. Returns whether there was anything; what takes too long ends the command."""
        if not select.select([self._controller], [], [], PATIENCE)[0]:
            self._process.kill()
        try:
            data = os.read(self._controller, 65536)
        except OSError:  # on Linux, this means that the other end is closed
            data = b""
        self._bytes += data
        return data != b""


EDITING = "\u2328"  # stands where the command begins to let a line be edited


def plain(sent):
    """What was sent to a terminal, without escapes."""
    sent = sent.replace("\x1b[?2004h", EDITING)
    return re.sub(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>78])|\r", "", sent)


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
