"""Runs one part within its time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import IO

from gpu_check.parts import Command, Part
from gpu_check.setting import ROOT, Setting

PASSED, FAILED, ENDED, MISSING, STUB, NOT_RUN = "passed", "failed", "ended", "missing", "stub", "not run"
SECONDS_TO_CLOSE = 5  # what a process that is asked to end gets


@dataclass(frozen=True)
class Outcome:
    status: str  # one of the words above; "ended": its time was over
    exit_code: int | None = None
    seconds: float = 0.0
    commands: tuple[str, ...] = ()
    stub: tuple[str, ...] = ()  # what a rehearsal did without
    note: str = ""
    log: str = ""


def run(part: Part, setting: Setting) -> Outcome:
    lacks = {need: why for need in part.needs if (why := setting.missing(need))}
    note = "; ".join(lacks.values())
    if not setting.is_rehearsal:
        return Outcome(MISSING, note=note) if lacks else run_commands(part, setting, ())
    # A rehearsal runs what stands behind a tool without it, on the emulated card.
    stub = ("card", *lacks)
    return run_commands(part, setting, stub) if set(lacks) <= {part.tool} else Outcome(STUB, stub=stub, note=note)


def run_commands(part: Part, setting: Setting, stub: tuple[str, ...]) -> Outcome:
    """Runs all commands, also behind one that has failed, until the part's time is over."""
    setting.records.unlink(missing_ok=True)
    commands = part.commands(setting)
    start, exit_code = time.monotonic(), 0
    log = setting.work / f"{part.name}.log"
    with log.open("w", encoding="utf-8") as file:
        for command in commands:
            left = part.seconds - (time.monotonic() - start)
            code = run_command(command, setting, file, left)
            if code is None:
                exit_code = None
                break
            exit_code = exit_code or code
    return Outcome(
        status=ENDED if exit_code is None else FAILED if exit_code else PASSED,
        exit_code=exit_code,
        seconds=round(time.monotonic() - start, 1),
        commands=tuple(" ".join(command) for command in commands),
        stub=stub,
        log=log.read_text(encoding="utf-8", errors="replace"),
    )


def run_command(command: Command, setting: Setting, log: IO[str], seconds: float) -> int | None:
    """Returns the exit code; None if the time was over. Then all processes that the command has started are ended."""
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    try:
        process = subprocess.Popen(
            command, cwd=ROOT, env=setting.environment, stdout=log, stderr=log, start_new_session=True
        )
    except OSError as error:
        log.write(f"{error}\n")
        return 127
    try:
        return process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the processes of a command, politely first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_CLOSE)
