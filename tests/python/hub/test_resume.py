"""A download that ends early goes on where it ended, in the same call or in a later one."""

import os
import signal
import time
from pathlib import Path

import pytest
from huggingface_hub.utils import WeakFileLock

from gesso.hub import blob
from python import command_line

FILE, DATA = "model.gguf", os.urandom(400_000)  # random, so that no other order of its parts is the same


@pytest.fixture(autouse=True)
def repository(hub):
    hub.add("org/name", {FILE: DATA})


def ranges(hub):
    return [request.range for request in hub.sent()]


def partial(cache):
    (found,) = (cache / "models--org--name/blobs").iterdir()
    assert found.suffix == ".incomplete"
    return found


def test_a_connection_that_breaks_is_made_again(hub, command):
    hub.broken, hub.statuses = [100_000, 0, 150_000], [503]
    status, out, _ = command("pull", "org/name")
    assert status == 0 and Path(out.strip()).read_bytes() == DATA
    assert ranges(hub) == [None, None, "bytes=100000-", "bytes=100000-", "bytes=250000-"]


def test_a_later_call_goes_on(hub, command, cache):
    hub.broken = [100_000] + [0] * blob.MOST_FAILURES
    status, _, err = command("pull", "org/name")
    assert status == 1 and partial(cache).read_bytes() == DATA[:100_000]
    assert f"{FILE} ends after 100,000 of 400,000 bytes: " in err and "The next time it goes on from there" in err
    assert command("inspect", "org/name")[2].endswith("To download it: gesso pull org/name\n")
    assert "org/name: a download that has not ended, 100.0 kB; `gesso pull` goes on with it" in command("list")[1]
    hub.requests.clear()
    status, out, err = command("pull", "org/name")
    assert f"{FILE}, 400.0 kB, of which 100.0 kB are here; " in err
    assert status == 0 and Path(out.strip()).read_bytes() == DATA and ranges(hub) == ["bytes=100000-"]


def test_ctrl_c_keeps_what_is_there(hub, command, cache, tmp_path):
    hub.broken, hub.hangs = [120_000], True
    process = command_line.start(
        "pull", "org/name", env=hub.environment(tmp_path / "home"), stdout=-1, stderr=-1, text=True
    )
    blobs = cache / "models--org--name/blobs"
    while process.poll() is None and not any(file.stat().st_size == 120_000 for file in blobs.glob("*.incomplete")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("gesso: 120.0 kB of 400.0 kB are here; the same command goes on from there\n")
    hub.hangs = False
    hub.requests.clear()
    assert Path(command("pull", "org/name")[1].strip()).read_bytes() == DATA and ranges(hub) == ["bytes=120000-"]


def test_a_store_that_knows_no_ranges_sends_all_of_it_again(hub, command):
    hub.broken, hub.ignores_ranges = [100_000], True
    assert Path(command("pull", "org/name")[1].strip()).read_bytes() == DATA
    assert ranges(hub) == [None, "bytes=100000-"]


def test_a_store_that_always_begins_again_and_breaks_is_given_up(hub, command):
    hub.broken, hub.ignores_ranges = [200_000, 100_000] * blob.MOST_FAILURES, True
    status, _, err = command("pull", "org/name")
    assert status == 1 and "The next time it goes on from there" in err
    assert len(hub.sent()) == 1 + blob.MOST_FAILURES


@pytest.mark.parametrize("size", [1000, 400_000, 500_000])
def test_a_partial_file_with_other_bytes_is_not_believed(hub, command, cache, size):
    hub.broken = [0] * blob.MOST_FAILURES
    assert command("pull", "org/name")[0] == 1
    partial(cache).write_bytes(b"x" * size)
    if size <= len(DATA):
        status, _, err = command("pull", "org/name")
        expected = f"{FILE} came with another SHA-256 than the hub tells; it is deleted, try again"
        assert (status, err.splitlines()[-1]) == (1, f"gesso: org/name: {expected}")
        assert list((cache / "models--org--name/blobs").iterdir()) == []
    assert Path(command("pull", "org/name")[1].strip()).read_bytes() == DATA


def test_two_downloads_do_not_write_one_file(hub, command, cache):
    hub.broken = [0] * blob.MOST_FAILURES
    assert command("pull", "org/name")[0] == 1
    lock = cache / ".locks/models--org--name" / partial(cache).with_suffix(".lock").name
    with WeakFileLock(lock):
        status, _, err = command("pull", "org/name")
    assert (status, err.splitlines()[-1]) == (1, f"gesso: org/name: another process is downloading {FILE}")
    assert command("pull", "org/name")[0] == 0


def test_a_model_is_found_only_when_all_of_it_is_there(hub, command):
    hub.add("org/split", {f"m-0000{i}-of-00002.gguf": DATA for i in (1, 2)} | {"config.json": b"{}"})
    hub.add("org/two", {"m-00001-of-00002.gguf": DATA, "m-00002-of-00002.gguf": DATA[:-1]})
    hub.broken = [len(DATA)] + [0] * blob.MOST_FAILURES
    assert command("pull", "org/two")[0] == 1
    assert command("inspect", "org/two")[2].endswith("To download it: gesso pull org/two\n")
    hub.requests.clear()
    assert command("pull", "org/two")[0] == 0 and len(hub.sent()) == 1
    assert command("pull", "org/split")[0] == 0 and len(hub.sent()) == 2, "equal parts are fetched once"
