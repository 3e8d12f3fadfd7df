"""A file gets its name only when it is complete."""

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from gesso.files.gguf_writer import write_gguf
from gesso.files.partial_file import check_target, partial_file
from gesso.files.tensor import Tensor
from python.expect import raises

# This program writes half a file, prints "half" and waits.
HALF = """
import sys, time
from pathlib import Path
from gesso.files.partial_file import partial_file, unwind_on_sigterm
with unwind_on_sigterm(), partial_file(Path(sys.argv[1])) as partial:
    partial.write_bytes(b"half")
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that has written half of the file "a"."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HALF, tmp_path / "a"], stdout=pipe, stderr=pipe)
    assert process.stdout.readline() == b"half\n"
    yield process
    process.kill()
    process.communicate()


def write(path, text):
    with partial_file(path) as partial:
        partial.write_bytes(text)


def test_a_file_is_there_when_the_block_ends(tmp_path):
    with partial_file(tmp_path / "a") as partial:
        partial.write_bytes(b"new")
        assert os.listdir(tmp_path) == ["a.partial"]
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_it_raises(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error), partial_file(tmp_path / "a") as partial:
        partial.write_bytes(b"half")
        raise error
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_after_a_kill_nothing_looks_finished_and_the_next_call_cleans_up(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert os.listdir(tmp_path) == ["a.partial"]
    write(tmp_path / "a", b"abc")  # shorter than the "half" in the file that was left
    assert (tmp_path / "a").read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_signals_leave_nothing(tmp_path, other, sent, status):
    other.send_signal(sent)
    assert other.wait() == status
    assert os.listdir(tmp_path) == []


def test_a_file_that_another_process_writes_is_left_alone(tmp_path, other):
    with raises(BlockingIOError, "a.partial", "another process"):
        write(tmp_path / "a", b"abc")
    assert (tmp_path / "a.partial").read_bytes() == b"half"


def test_targets_that_cannot_be_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    with raises(IsADirectoryError, "is a folder"):
        check_target(tmp_path)
    for parent in ("missing", "file"):
        with raises(FileNotFoundError, f"there is no folder .*{parent}"):
            check_target(tmp_path / parent / "a")
    os.symlink(tmp_path / "file", tmp_path / "link")
    with raises(ValueError, "the one to read"):
        check_target(tmp_path / "link", tmp_path / "file")
    with raises(ValueError, "the one to read"):
        check_target(tmp_path / "file", tmp_path / "missing", tmp_path / "link")
    check_target(tmp_path / "new", tmp_path / "file")
    # Tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with raises(PermissionError, "cannot be written"):
        check_target(tmp_path / "a")


def test_only_gguf_files_are_overwritten(tmp_path):
    for content in (b"", b"GGUF", b"GGUF\3\0"):
        (tmp_path / "a").write_bytes(content)
        check_target(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"{}")
    for path in (tmp_path / "a", os.devnull):
        with raises(FileExistsError, f"{path}: exists and is no GGUF file"):
            check_target(path)
    tensor = Tensor("x", "F32", (1,), np.ones(1, np.float32))
    with raises(FileExistsError, "is not overwritten"):
        write_gguf(tmp_path / "a", {}, [tensor])


def test_a_disk_that_is_too_small_is_noticed_before_any_tensor_is_read(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**6, 0, 2047)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    tensor = Tensor("x", "F32", (512,), lambda: pytest.fail("read"))
    with raises(OSError, "2,048 bytes are needed, 2,047 are free"):
        write_gguf(tmp_path / "a.gguf", {}, [tensor])
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2048))
    write_gguf(tmp_path / "a.gguf", {}, [Tensor("x", "F32", (512,), np.ones(512, np.float32))])
