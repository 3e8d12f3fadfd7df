"""A session is for one call at a time, and what is native memory is neither copied nor pickled."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import gesso
from gesso import _native

BATCH, CANVAS = 2, 8
OPTIONS = {"max_new_tokens": 2 * CANVAS, "max_denoising_steps": 2, "end_token_ids": []}


# Every use of a session that is refused while another one is under way, with its name in the message.
USES = {
    "generate": lambda s: s.generate([[5], [6]], **OPTIONS),
    "encode": lambda s: s.encode([[5], [6]]),
    "rewind": lambda s: s.rewind(0),
    "denoise": lambda s: s.denoise(np.zeros((BATCH, CANVAS), int)),
    "ids": lambda s: s.ids,
    "length": lambda s: s.length,
    "cache_bytes": lambda s: s.cache_bytes,
    "collect_importance": lambda s: s.collect_importance(),
    "importance": lambda s: s.importance,
    "set_profiling": lambda s: s._native.set_profiling(True),
    "fork": lambda s: s.fork(),
    "save": lambda s: s.save(),
}


def assert_all_refused(session):
    for name, use in USES.items():
        called = "ids" if name == "length" else name  # the lengths are those of the ids
        with pytest.raises(gesso.BusyError, match=f"^{called}: the session is busy: .* session of its own"):
            use(session)
    assert session.batch_size == BATCH


@pytest.mark.parametrize("callback", ["on_step", "on_canvas"])
def test_every_use_from_a_callback_is_refused(model, callback):
    session, calls = model.session(BATCH), []

    def meddle(event):
        calls.append(event)
        assert_all_refused(session)

    out = session.generate([[5], [6, 12]], **{callback: meddle}, **OPTIONS)
    expected = model.generate([[5], [6, 12]], **OPTIONS)
    assert out.sequences == expected.sequences and out.texts == expected.texts
    assert calls and session.ids == [[5, *out.sequences[0]], [6, 12, *out.sequences[1]]]
    session.encode([[5], [6]])  # it is free again


@pytest.mark.parametrize("use", ["generate", "rewind", "encode"])
def test_a_refusal_that_leaves_the_callback_leaves_the_session_as_before(model, use):
    session = model.session(BATCH)
    session.encode([[5, 6], [12]])
    with pytest.raises(gesso.BusyError):
        session.generate([[8], [9]], on_canvas=lambda event: USES[use](session), **OPTIONS)
    assert session.ids == [[5, 6], [12]]
    out = session.generate([[8], [9]], **OPTIONS)
    assert out.sequences == model.generate([[5, 6, 8], [12, 9]], **OPTIONS).sequences


def test_every_use_from_another_thread_is_refused(model):
    session, inside, leave = model.session(BATCH), threading.Event(), threading.Event()
    results = []

    def wait(event):
        inside.set()
        assert leave.wait(60)

    def generate():
        results.append(session.generate([[5], [6]], on_step=wait, **OPTIONS))

    thread = threading.Thread(target=generate)
    thread.start()
    try:
        assert inside.wait(60)
        assert_all_refused(session)
    finally:
        leave.set()
        thread.join()
    assert results[0].sequences == model.generate([[5], [6]], **OPTIONS).sequences


def test_eight_threads_on_one_session(model):
    """They get results or BusyError, and afterwards the session writes what it wrote before."""
    session, over, wrong = model.session(BATCH), threading.Event(), []
    expected = session.generate([[5], [6]], **OPTIONS).texts
    num_done, num_refused = [0] * 8, [0] * 8

    def attack(i):
        uses = list(USES.items())
        turn = i
        while not over.is_set():
            name, use = uses[turn % len(uses)]
            turn += 1
            try:
                use(session)
                num_done[i] += 1
            except gesso.BusyError:
                num_refused[i] += 1
            except gesso.ArgumentError:  # an empty session cannot denoise, and a full one cannot go on
                num_done[i] += 1
            except BaseException as error:
                wrong.append((name, error))

    threads = [threading.Thread(target=attack, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    over.wait(1)
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong and sum(num_done) > 0 and sum(num_refused) > 0
    session.rewind(0)
    assert session.generate([[5], [6]], **OPTIONS).texts == expected


def test_two_threads_push_into_one_decoder(model):
    """Their texts may be mixed, but no piece is lost or broken."""
    decoder, texts = model.tokenizer.stream_decoder(), []
    ids = model.tokenizer.encode("hello world ") * 50

    def push():
        for _ in range(50):
            texts.append(decoder.push(ids))

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "".join(texts) + decoder.flush() == model.tokenizer.decode(ids) * 200


FORK = """
import os, sys, threading
import gesso

model = gesso.load(sys.argv[1])
session, inside, leave = model.session(), threading.Event(), threading.Event()

def wait(event):
    inside.set()
    leave.wait(60)

thread = threading.Thread(target=lambda: session.generate([5], max_new_tokens=1, on_step=wait))
thread.start()
inside.wait(60)
child = os.fork()
if child == 0:
    try:
        session.rewind(0)
        os._exit(1)
    except gesso.BusyError:
        out = model.generate([5], max_new_tokens=1, on_step=lambda event: None)
        os._exit(0 if out.sequences else 2)
leave.set()
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_no_part_in_a_call_of_the_other(path):
    """The session that was busy when the process forked stays busy in the child, and a new session works there."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, path], capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


def handles(model):
    return {
        "Session": (model.session(), r"fork\(\) .* save\(\)"),
        "Model": (model, "load"),
        "Tokenizer": (model.tokenizer, "load"),
        "ReplyDecoder": (gesso.ReplyDecoder(model.tokenizer), "push"),
        "StreamDecoder": (model.tokenizer.stream_decoder(), "push"),
    }


@pytest.mark.parametrize("name", ["Session", "Model", "Tokenizer", "ReplyDecoder", "StreamDecoder"])
def test_pickle_names_the_reason(model, name):
    value, instead = handles(model)[name]
    assert type(value).__name__ == name
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match=f"gesso.{name}: cannot be copied or pickled.* native memory; .*{instead}"):
            pickle.dumps([value], protocol)


@pytest.mark.parametrize("name", ["Session", "ReplyDecoder", "StreamDecoder"])
def test_what_changes_is_not_copied(model, name):
    value, _ = handles(model)[name]
    for make in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=f"gesso.{name}: cannot be copied"):
            make(value)


def test_what_never_changes_is_its_own_copy(model):
    for value in (model, model.tokenizer):
        assert copy.copy(value) is value
        assert copy.deepcopy({"a": [value]})["a"][0] is value


@pytest.mark.parametrize(
    "native", [_native.Checkpoint, lambda: _native.GenerationOptions({}), lambda: _native.tensor_types()[0]]
)
def test_native_objects_are_not_copied_halfway(native):
    value = native()
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            make(value)


def test_results_and_configurations_are_plain_data(model):
    """They travel between processes, with their timings."""
    out = model.generate([[5], [6]], **OPTIONS)
    for other in (copy.copy(out), copy.deepcopy(out), pickle.loads(pickle.dumps(out))):
        assert (other.sequences, other.texts, other.replies) == (out.sequences, out.texts, out.replies)
        assert all(np.array_equal(a, b) for a, b in zip(other.canvases, out.canvases, strict=True))
        assert other.timings.step_ms == out.timings.step_ms and repr(other.timings) == repr(out.timings)
    assert pickle.loads(pickle.dumps(model.config)) == model.config == copy.deepcopy(model.config)
