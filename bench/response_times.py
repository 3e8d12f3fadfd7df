"""How soon gesso answers: to a cancellation while a long prompt is encoded, and at the start of a text.

    gesso synth build/six_layers.gguf --layers 6
    python bench/response_times.py build/six_layers.gguf [--delays 0.5,2] [--steps 4] [--starts 3]

A prompt of random tokens is cancelled after each of the delays, in each way that a program has. The time runs from the
cancellation until the call has returned or raised. If the prompt was encoded before, the script ends with an error.

The start of a text is that of a canvas behind a short prompt: how long a stream takes to its first draft, and how long
`gesso run` takes from the start of its process to the first character on a terminal. Both are compared with a later
step of the same canvas.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import gesso
from gesso.cli.parts.command_parser import integer, list_of, number_not_below_zero
from gesso.measure.bench import WaitingShare
from gesso.measure.record import busy_notes, spread
from harness import origin

LIMIT_MS = 200  # what a cancellation may take
QUESTION = "What can you do?"
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")

Way = Callable[[gesso.Model, list[int], float], float]  # returns the seconds from the cancellation to the end


def request_cancel(model: gesso.Model, prompt: list[int], delay: float) -> float:
    with gesso.Engine(model) as engine:
        request = engine.submit(prompt, max_new_tokens=1)
        time.sleep(delay)
        start = time.perf_counter()
        request.cancel()
        result = request.result()
        took = time.perf_counter() - start
    check_was_encoding(not result.denoising_steps)
    return took


def task_cancel(model: gesso.Model, prompt: list[int], delay: float) -> float:
    async def cancel() -> float:
        task = asyncio.create_task(model.agenerate(prompt, max_new_tokens=1))
        await asyncio.sleep(delay)
        start = time.perf_counter()
        task.cancel()
        await asyncio.wait([task])
        check_was_encoding(task.cancelled())
        return time.perf_counter() - start

    return asyncio.run(cancel())


def stream_timeout(model: gesso.Model, prompt: list[int], delay: float) -> float:
    start = time.perf_counter()
    try:
        next(model.stream(prompt, timeout=delay, max_new_tokens=1))
    except gesso.DeadlineExceeded:
        return time.perf_counter() - start - delay
    raise SystemExit("the prompt was encoded before the deadline; use a longer one")


def ctrl_c(model: gesso.Model, prompt: list[int], delay: float) -> float:
    sent = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore Ctrl-C
    timer = threading.Timer(delay, send)
    timer.start()
    try:
        model.generate(prompt, max_new_tokens=1, on_step=lambda _: timer.cancel())
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    raise SystemExit("the prompt was encoded before Ctrl-C; use a longer one")


WAYS: dict[str, Way] = {
    "request.cancel()": request_cancel,
    "cancelling the task of agenerate": task_cancel,
    "timeout= of stream": stream_timeout,
    "Ctrl-C in generate": ctrl_c,
}


def check_was_encoding(was: bool) -> None:
    if not was:
        raise SystemExit("the prompt was encoded before the cancellation; use a longer one")


def first_draft(model: gesso.Model, steps: int) -> tuple[float, list[float]]:
    """Seconds from the start of a stream to its first draft, and those of the further steps."""
    assert model.tokenizer is not None
    prompt = model.tokenizer.apply_chat_template([{"role": "user", "content": QUESTION}], tokenize=True)
    options: Any = {"max_denoising_steps": steps, "max_new_tokens": model.config.canvas_length}
    times = [time.perf_counter()]
    for event in model.stream(prompt, seed=1, confidence_threshold=0.0, **options):
        if event.draft and event.result is None:
            times.append(time.perf_counter())
    between = np.diff(times).tolist()
    return between[0], between[1:]


def first_character(path: str, steps: int) -> float:
    """Seconds from the start of the command to the first character that a terminal shows. The command must succeed."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "gesso", "run", path, QUESTION, "--seed=1", f"--steps={steps}"]
    command += ["--max-new-tokens=1", "--device=cpu"]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    start = time.perf_counter()
    process = subprocess.Popen(command, **streams, env=os.environ | {"TERM": "xterm"})
    os.close(terminal)
    shown, first = b"", None
    try:
        with contextlib.suppress(OSError):  # Linux says the end of a terminal so
            while part := os.read(controller, 65536):
                shown += part
                if first is None and ESCAPES.sub(b"", shown).strip():
                    first = time.perf_counter() - start
        if process.wait() != 0 or first is None:
            raise SystemExit(f"gesso run failed: {ESCAPES.sub(b'', shown).decode(errors='replace')}")
        return first
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    model = gesso.load(options.model, "cpu")
    rng = np.random.default_rng(0)
    prompt = rng.integers(0, model.config.vocab_size, options.prompt_tokens).tolist()
    cancelled = {}
    with WaitingShare(model.num_threads) as waiting:
        for name, way in WAYS.items():
            cancelled[name] = [way(model, prompt, delay) for delay in options.delays]
            print(f"{name}:", *(f"{each:.3f}" for each in cancelled[name]), "s", file=sys.stderr)
        drafts = [first_draft(model, options.steps) for _ in range(options.starts)]
        print("first drafts and steps:", drafts, file=sys.stderr)
        characters = [first_character(options.model, options.steps) for _ in range(options.starts)]
    record = origin("response_times") | {"num_threads": model.num_threads, "prompt_tokens": options.prompt_tokens}
    record |= {"num_layers": model.config.num_hidden_layers, "hidden_size": model.config.hidden_size}
    record |= {"delays_s": options.delays, "limit_ms": LIMIT_MS}
    record |= {"waiting_share": waiting.share, "notes": busy_notes(waiting.share)}
    return record | {
        "cancelled_ms": {name: in_ms(seconds) for name, seconds in cancelled.items()},
        "step_ms": in_ms([each for _, steps in drafts for each in steps]),
        "first_draft_ms": in_ms([first for first, _ in drafts]),
        "first_character_ms": in_ms(characters),
    }


def in_ms(seconds: list[float]) -> dict[str, Any] | None:
    return spread([each * 1000 for each in seconds])


def to_markdown(record: dict[str, Any]) -> str:
    lines = ["| cancelled by | median | most |", "|---|---|---|"]
    for name, ms in record["cancelled_ms"].items():
        lines.append(f"| {name} | {ms['median']:.0f} ms | {max(ms['samples']):.0f} ms |")
    step = record["step_ms"]["median"]
    lines += ["", "| | time | steps |", "|---|---|---|", f"| a step | {step:.0f} ms | 1 |"]
    for name, key in (
        ("first draft of a stream", "first_draft_ms"),
        ("first character of `gesso run`", "first_character_ms"),
    ):
        median = statistics.median(record[key]["samples"])
        lines.append(f"| {name} | {median:.0f} ms | {median / step:.2f} |")
    return "\n".join([*lines, *(f"Note: {note}." for note in record["notes"])])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how soon gesso answers.", allow_abbrev=False)
    parser.add_argument("model", help="a .gguf file")
    parser.add_argument("--prompt-tokens", type=integer(1), default=7000, metavar="N", help="tokens; default: 7000")
    parser.add_argument(
        "--delays", type=list_of(number_not_below_zero), default=[0.2, 0.5, 1, 2, 4], metavar="S,..", help="in seconds"
    )
    parser.add_argument("--steps", type=integer(2), default=4, metavar="N", help="of the canvas; default: 4")
    parser.add_argument("--starts", type=integer(1), default=3, metavar="N", help="of a stream; default: 3")
    parser.add_argument("-o", dest="format", choices=("md", "json"), default="md")
    options = parser.parse_args()
    record = measure(options)
    print(to_markdown(record) if options.format == "md" else json.dumps([record], indent=1))


if __name__ == "__main__":
    main()
