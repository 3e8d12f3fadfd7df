"""A worker: one runtime in a process of its own, which works only when told to. Two runtimes in one process would have
two sets of threads, which disturb each other.

serve() reads a line of standard input, the name of a piece of work, and answers with a line of JSON: the samples that
it took. The first line that it writes says which runtime it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Sample = dict[str, float]  # wall_ms, cpu_ms; the latter of all threads


class Watch:
    """Measures the time since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def sample(self) -> Sample:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"wall_ms": 1000 * wall, "cpu_ms": 1000 * cpu}


def timed(work: Callable[[], Any]) -> Callable[[], Sample]:
    def run() -> Sample:
        watch = Watch()
        work()
        return watch.sample()

    return run


def serve(about: Mapping[str, Any], works: Mapping[str, Callable[[], Sample]]) -> None:
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        print(json.dumps(works[line.strip()]()), flush=True)


class Worker:
    """The other side: starts a worker's process and sends it work."""

    def __init__(self, script: str, *arguments: str):
        command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self._answer()

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[1]} ended with status {self.process.wait()}")
        return json.loads(line)

    def run(self, work: str) -> Sample:
        with suppress(BrokenPipeError):  # the missing answer shows it
            self.process.stdin.write(work + "\n")
            self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
