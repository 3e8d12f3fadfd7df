"""A process that ends while one of its daemon threads is inside a native call ends quietly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from python.tiny_model import tiny_model

# Starts a daemon thread for each job that it is told, and ends when each is in the middle of its work.
PROGRAM = """
import sys, threading, time
import numpy as np
import gesso
from gesso import _native

path, jobs, ending = sys.argv[1], sys.argv[2].split(), sys.argv[3]
model = gesso.load(path, "cpu", 2)
FOREVER = dict(max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
values = np.zeros(1 << 16, np.uint8)

def generate(begun):
    model.generate([5], on_step=lambda event: begun.set() if event.step == 0 else None, **FOREVER)

def silent(begun):
    threading.Timer(0.05, begun.set).start()
    model.generate([5], **FOREVER)

def callback(begun):  # it is nearly always inside Python code, below a native call
    def wait(event):
        begun.set()
        while True:
            time.sleep(0.0001)
    model.generate([5], on_step=wait, **FOREVER)

def repeat(call, begun):
    while True:
        call()
        begun.set()

def denoise():
    session = model.session()
    session.encode([5, 6])
    session.denoise([1] * model.config.canvas_length)
    session.rewind(0)

CALLS = {
    "load": lambda: gesso.load(path, "cpu", 2),
    "denoise": denoise,
    "encode": lambda: model.tokenizer.decode(model.tokenizer.encode("hello world " * 2000)),
    "quantize": lambda: _native.quantize("F32", values, "Q4_K", 256),
    "measure": lambda: _native.measure_ceilings(2, 1 << 20, 5.0),
    "devices": gesso.devices,
}

for name in jobs:
    begun = threading.Event()
    job = globals()[name] if name not in CALLS else lambda begun, call=CALLS[name]: repeat(call, begun)
    threading.Thread(target=job, args=(begun,), daemon=True).start()
    assert begun.wait(60), name
if ending == "exit":
    sys.exit(0)
if ending == "__del__":  # the thread that ends Python may still use gesso
    class Last:
        def __del__(self, model=model, write=sys.stdout.write, flush=sys.stdout.flush):
            session = model.session()
            session.encode([5, 6] * 200)
            write(f"{session.length} encoded")
            flush()
    sys.modules["last"] = Last()
"""
JOBS = ("generate", "silent", "callback", "load", "denoise", "encode", "quantize", "measure", "devices")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf"))


def end(path, jobs, ending="return"):
    command = [sys.executable, "-c", PROGRAM, path, jobs, ending]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout.decode()


@pytest.mark.parametrize("job", ["generate", "silent", "callback", "load"])
def test_one_daemon_thread(path, job):
    end(path, job)


@pytest.mark.parametrize("ending", ["return", "exit"])
def test_many_daemon_threads(path, ending):
    end(path, " ".join(JOBS), ending)


def test_an_object_that_computes_while_python_ends(path):
    assert end(path, "generate", "__del__") == "400 encoded"
