"""Threads: how many a model takes by default, several callers at once, and forked processes."""

import os
import subprocess
import sys

import pytest

from python.tiny_model import tiny_model

SHOW_THREADS = "import sys, gesso; print(gesso.load(sys.argv[1]).num_threads)"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processors that can be taken away")
def test_only_processors_that_it_may_run_on(tmp_path):
    path = tiny_model(tmp_path / "tiny.gguf")
    allowed = os.sched_getaffinity(0)
    command = [sys.executable, "-c", SHOW_THREADS, str(path)]
    try:
        os.sched_setaffinity(0, {min(allowed)})
        shown = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    finally:
        os.sched_setaffinity(0, allowed)
    assert shown == "1\n"


# This program has two models with 3 threads each. It generates with them one after the other, and then from four
# threads at once.
CALLERS = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
import gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles, solve

models = [gesso.load(bundled_model(), "cpu", 3) for _ in range(2)]
puzzles = make_puzzles(0, 12)

def job(i):
    return solve(models[i % 2], puzzles[3 * i : 3 * i + 3], seed=i).texts

num_threads = [len(os.listdir("/proc/self/task"))]
done = threading.Event()

def watch():
    while not done.wait(0.005):
        num_threads.append(len(os.listdir("/proc/self/task")))

watcher = threading.Thread(target=watch)
watcher.start()
expected = [job(i) for i in range(4)]
with ThreadPoolExecutor(4) as executor:
    got = list(executor.map(job, range(4)))
done.set()
watcher.join()
assert got == expected
print(max(num_threads) - num_threads[0])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads through /proc")
def test_callers_and_models_share_their_helpers():
    """There may be the four callers, the thread that counts, and two helpers in all, not two per caller or model."""
    shown = subprocess.run([sys.executable, "-c", CALLERS], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert 1 + 2 <= int(shown) <= 4 + 1 + 2


FORK = """
import os
import gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles, solve

model, puzzles = gesso.load(bundled_model(), "cpu", 2), make_puzzles(0, 3)
expected = solve(model, puzzles, seed=0).texts
child = os.fork()
if child == 0:
    os._exit(solve(model, puzzles, seed=0).texts != expected)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_goes_on_with_the_model():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=120)
