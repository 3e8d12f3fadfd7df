"""A process that ends while a gesso.Engine works ends quietly, and so does a forked one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Starts a job, and ends when it is in the middle of its work.
PROGRAM = """
import sys, threading, time
import gesso

path, job, ending = sys.argv[1:]
model = gesso.load(path, "cpu", 2)
FOREVER = dict(max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
engine = gesso.Engine(model, thread="driven" not in job)
begun = threading.Event()

def begin(event=None):
    begun.set()

def in_python(event):  # the engine's thread is nearly always inside it
    begun.set()
    for _ in range(100):
        time.sleep(0.0001)

def start(body):
    threading.Thread(target=body, daemon=True).start()

def submit_again(event):
    begun.set()
    engine.submit([9], on_canvas=submit_again, max_new_tokens=1)

def submit_and_wait():
    while True:
        engine.submit([9], max_new_tokens=1).result()
        begun.set()

def take_events(request):
    for event in request:
        begun.set()

def prompts():
    while True:
        yield [9]

if job == "silent":
    request = engine.submit([9], **FOREVER)
    threading.Timer(0.05, begin).start()
elif job == "callback":
    engine.submit([9], on_step=in_python, **FOREVER)
elif job == "callback that submits":
    engine.submit([9], on_canvas=submit_again, max_new_tokens=1)
elif job in ("waiting", "driven, waiting"):
    start(engine.submit([9], on_step=begin, **FOREVER).result)
elif job == "draining":
    engine.submit([9], on_step=begin, **FOREVER)
    start(engine.drain)
elif job in ("submitting", "driven, submitting"):
    start(submit_and_wait)
    start(submit_and_wait)
elif job == "events":
    start(lambda: take_events(engine.submit([9], events=True, **FOREVER)))
elif job == "generate_many":
    rows = model.generate_many(prompts(), max_new_tokens=1)
    next(rows)
    begun.set()
assert begun.wait(60)
if ending == "exit":
    sys.exit(0)
if ending == "__del__":  # the thread that ends Python may still use an engine
    class Last:
        def __del__(self, model=model, Engine=gesso.Engine, write=sys.stdout.write, flush=sys.stdout.flush):
            engine = Engine(model)
            request = engine.submit([9], max_new_tokens=1)
            request.wait()
            write(f"done: {request.done()}")
            flush()
    sys.modules["last"] = Last()
"""
JOBS = ("silent", "callback", "callback that submits", "waiting", "draining", "submitting", "events", "generate_many")


def end(path, job, ending):
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path), job, ending], capture_output=True, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout.decode()


@pytest.mark.parametrize("job", [*JOBS, "driven, waiting", "driven, submitting"])
def test_an_engine_at_work(path, job):
    end(path, job, "return")


@pytest.mark.parametrize("job", ["callback", "submitting"])
def test_sys_exit(path, job):
    end(path, job, "exit")


def test_an_engine_that_is_made_while_python_ends(path):
    assert end(path, "callback", "__del__") == "done: True"


CLOSED = """
import atexit, sys

atexit.register(lambda: print(request.done(), request.result(0).finish_reason))  # behind those of gesso

import gesso

engine = gesso.Engine(gesso.load(sys.argv[1], "cpu", 2))
request = engine.submit([9], max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
"""


def test_engines_are_closed(path):
    """Nothing of them runs while the system takes the process down."""
    done = subprocess.run([sys.executable, "-c", CLOSED, str(path)], capture_output=True, timeout=120, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True cancelled\n", "")


BLOCKED = """
import os, signal, sys, threading
import gesso

model = gesso.load(sys.argv[1], "cpu", 2)
never = threading.Event()

def blocked(wait, **how):
    begun = threading.Event()
    def on_step(event):
        begun.set()
        wait()
    engine = gesso.Engine(model, **how)
    request = engine.submit([9], max_new_tokens=1, on_step=on_step)
    if not how:
        assert begun.wait(60)
    else:  # another thread runs the pass
        threading.Thread(target=request.result, daemon=True).start()
        assert begun.wait(60)
    return engine

def with_block(engine):
    with engine:
        raise ValueError("in the block")

def ctrl_c(call):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        call()
    except KeyboardInterrupt as error:
        print("interrupted", repr(error.__context__))
        never.set()  # nobody has to wait any more
    timer.join()
    never.clear()
"""
ENDINGS = {
    "interrupts": """
ctrl_c(blocked(never.wait).close)
ctrl_c(blocked(never.wait, thread=False).close)
ctrl_c(lambda: with_block(blocked(never.wait)))
""",
    "forgotten": """
blocked(never.wait)  # nothing refers to it
print("went on")
never.set()
""",
    "exit": """
import queue
full, lock = queue.Queue(1), threading.Lock()
full.put(1)
lock.acquire()
engines = [blocked(wait) for wait in (never.wait, lock.acquire, lambda: full.put(1))]
engines.append(blocked(never.wait, thread=False))
raise ValueError("the end")
""",
}


def blocked(path, ending):
    """Each of these programs would never end if somebody waited for the callback."""
    program = [sys.executable, "-c", BLOCKED + ENDINGS[ending], str(path)]
    return subprocess.run(program, capture_output=True, timeout=120, text=True)


def test_ctrl_c_while_an_engine_is_closed_whose_callback_does_not_return(path):
    done = blocked(path, "interrupts")
    expected = "interrupted None\ninterrupted None\ninterrupted ValueError('in the block')\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_a_callback_that_does_not_return_does_not_hold_up_the_garbage_collector(path):
    done = blocked(path, "forgotten")
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_exit_while_callbacks_do_not_return(path):
    done = blocked(path, "exit")
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, ["ValueError: the end"])


FORK = """
import os, sys
import gesso

FOREVER = dict(max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
model = gesso.load(sys.argv[1], "cpu", 2)
engine = gesso.Engine(model)
request = engine.submit([9], events=True, **FOREVER)
first = gesso.Engine(model).submit([9], max_new_tokens=1)
first.result()
rows = model.generate_many(iter([[9]] * 20), max_new_tokens=1)
next(rows)
calls = {
    "submit": lambda: engine.submit([9]),
    "drain": engine.drain,
    "counters": engine.counters,
    "forget_prefixes": engine.forget_prefixes,
    "cancel": request.cancel,
    "done": request.done,
    "wait": request.wait,
    "result": request.result,
    "events": lambda: list(request),
    "generate_many": lambda: next(rows),
}
child = os.fork()
if child == 0:  # it ends as a whole program does
    for name, call in calls.items():
        try:
            call()
        except RuntimeError as error:
            assert "forked" in str(error), error
            print(name)
    assert first.result().finish_reason == "length"
    with gesso.Engine(model) as own:
        own.submit([9], max_new_tokens=1)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
assert not request.done()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_leaves_the_engine_alone(path):
    """What waits for the other process' thread says so. It would never end."""
    done = subprocess.run([sys.executable, "-c", FORK, str(path)], capture_output=True, timeout=120, text=True)
    names = "submit drain counters forget_prefixes cancel done wait result events generate_many"
    assert (done.returncode, " ".join(done.stdout.split()), done.stderr) == (0, names, "")
