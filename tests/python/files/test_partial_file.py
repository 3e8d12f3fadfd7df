"""A file gets its name only when it is complete."""

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from gesso.cli.program import main
from gesso.files.gguf_writer import write_gguf
from gesso.files.partial_file import check_target, partial_file
from gesso.files.tensor import Tensor
from python.expect import raises
from python.tiny_model import tiny_model

# This program writes half a file, prints "half" and waits.
HALF = """
import sys, time
from pathlib import Path
from gesso.files.partial_file import partial_file, unwind_on_sigterm
with unwind_on_sigterm(), partial_file(Path(sys.argv[1])) as partial:
    partial.write(b"half")
    partial.flush()
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
        partial.write(text)


def test_a_file_is_there_when_the_block_ends(tmp_path):
    with partial_file(tmp_path / "a") as partial:
        partial.write(b"new")
        assert os.listdir(tmp_path) == ["a.partial"]
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_it_raises(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error), partial_file(tmp_path / "a") as partial:
        partial.write(b"half")
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


# What lies at <name>.partial already


def test_a_link_is_not_followed(tmp_path):
    """In a folder that others can write to, a link there would make gesso overwrite any file of the user."""
    (tmp_path / "victim").write_bytes(b"precious")
    for target in ("victim", "nothing"):
        (tmp_path / "a.partial").symlink_to(target)
        with raises(FileExistsError, "a.partial: is a link, a special file or another user's; it is not overwritten"):
            write(tmp_path / "a", b"abc")
        (tmp_path / "a.partial").unlink()
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["victim"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.link(path.with_name("victim"), path)])
def test_what_no_dead_writer_left_is_kept(tmp_path, make):
    (tmp_path / "victim").write_bytes(b"precious")
    make(tmp_path / "a.partial")
    with raises(FileExistsError, "a.partial: is a link, a special file"):
        write(tmp_path / "a", b"abc")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["a.partial", "victim"]


def test_another_users_file_is_kept(tmp_path, monkeypatch):
    """Its owner could change what is written there."""
    (tmp_path / "a.partial").write_bytes(b"half")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with raises(FileExistsError, "another user's"):
        write(tmp_path / "a", b"abc")
    assert (tmp_path / "a.partial").read_bytes() == b"half"


def test_a_leftover_that_somebody_reads_is_replaced_and_not_cut_off(tmp_path):
    (tmp_path / "a.partial").write_bytes(b"half")
    with open(tmp_path / "a.partial", "rb") as reader:
        write(tmp_path / "a", b"abc")
        assert reader.read() == b"half"
    assert (tmp_path / "a").read_bytes() == b"abc"


def test_a_file_that_is_replaced_while_it_is_written_gets_no_name(tmp_path):
    with raises(FileNotFoundError, "was removed or replaced"), partial_file(tmp_path / "a") as partial:
        partial.write(b"half")
        os.unlink(tmp_path / "a.partial")
        (tmp_path / "a.partial").symlink_to("/etc/passwd")
    assert os.listdir(tmp_path) == ["a.partial"]


def test_a_link_in_the_place_of_the_file_is_replaced(tmp_path):
    """What it leads to stays as it is: the file that is written never comes into being behind a link."""
    (tmp_path / "other").write_bytes(b"GGUF")
    (tmp_path / "a").symlink_to("other")
    write(tmp_path / "a", b"abc")
    assert not (tmp_path / "a").is_symlink()
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "other").read_bytes()) == (b"abc", b"GGUF")


# Sources, names and space


def test_sources_under_any_name_are_refused(tmp_path):
    for name in ("model", "a.partial"):
        (tmp_path / name).write_bytes(b"GGUF")
    os.link(tmp_path / "model", tmp_path / "hard")
    os.symlink("model", tmp_path / "soft")
    for target in ("model", "hard", "soft", "./model"):
        for source in ("model", "hard", "soft"):
            with raises(ValueError, "the file to write is the one to read"):
                check_target(tmp_path / target, tmp_path / source)
    with raises(ValueError, "a.partial: the file to write is the one to read"):
        check_target(tmp_path / "a", tmp_path / "a.partial")


def test_a_name_that_becomes_too_long_is_refused_before_the_work(tmp_path):
    check_target(tmp_path / ("x" * 247))
    with raises(OSError, "the name is too long; with .partial behind it, it may have 255 bytes"):
        check_target(tmp_path / ("x" * 248))


# Quantises with a limit on the size of files, as if the disk were full.
LIMITED = """
import resource, sys
from gesso.cli.program import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_leaves_nothing(tmp_path):
    source, out = tiny_model(tmp_path / "source.gguf"), tmp_path / "out" / "a.gguf"
    out.parent.mkdir()
    assert source.stat().st_size > 200_000
    command = [sys.executable, "-c", LIMITED, "quantize", source, out, "--preset", "F32"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (1, f"gesso: {out}: File too large\n")
    assert os.listdir(out.parent) == []


def test_bench_does_not_write_over_its_model(tmp_path, capsys):
    path = tiny_model(tmp_path / "a.gguf")
    before = path.read_bytes()
    os.symlink("a.gguf", tmp_path / "link")
    for output in ("a.gguf", "link"):
        assert main(["bench", str(path), "--output", str(tmp_path / output)]) == 1
        assert "the file to write is the one to read" in capsys.readouterr().err
    assert path.read_bytes() == before
