"""`gesso run MODEL --jsonl IN OUT`: a line of OUT for each prompt of IN.

A line of OUT says which line of IN it answers, and has a hash of it and of the options. So a run that was stopped goes
on where OUT ends, and an OUT that belongs to another IN is left alone.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import itertools
import json
import math
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from gesso import ArgumentError, _native
from gesso.arguments import as_timeout
from gesso.cli.parts.model_options import check_chat, load_model, require_tokenizer, sampling_options
from gesso.engine import Engine, Request
from gesso.files.partial_file import check_output
from gesso.files.regular_file import as_path, open_regular, read_text
from gesso.measure.text import json_text, visible
from gesso.options import GenerationOptions
from gesso.result import Result
from gesso.stream import in_order
from gesso.templates.messages import prepare_chat
from gesso.terminal.progress import Progress
from gesso.tokenizer import Tokenizer

MAX_LINE = 2**24  # bytes
FAILED, ALL_ANSWERED = 1, 0  # exit statuses
# Every line of OUT begins so. A file that does not is no OUT, and nothing of it is cut off.
HEAD = b'{"line": '
MESSAGE_KEYS = ("id", "prompt", "messages", "system", "think", "tools", "timeout")


@dataclass(frozen=True)
class Line:
    """A line of IN."""

    number: int  # the first is 1
    data: bytes  # without white space around it
    is_too_long: bool

    def digest(self, settings: bytes) -> str:
        """What OUT has of the line and of the options, to know them again."""
        return hashlib.sha256(settings + b"\n" + self.data).hexdigest()[:16]


@dataclass(frozen=True)
class Row:
    """A line that is under way. `id` is None where it has none, and where the line cannot be read."""

    line: Line
    id: object


def add_arguments(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--jsonl",
        nargs=2,
        metavar=("IN", "OUT"),
        help='each line of IN is a JSON object: {"prompt": "..."} or {"messages": [...]}, and if you like "id", "seed",'
        ' "max_new_tokens", "stop" and so on, "system", "think", "tools" and "timeout", which go before the options.'
        " OUT gets a line for each, in order, with the result or an error. If OUT is there, the run goes on where it"
        " ends. - stands for standard input and output",
    )


def run(options: argparse.Namespace) -> int:
    """Answers every line of IN. Returns 1 if a line of this run could not be answered."""
    source, target = options.jsonl
    if target != "-":
        check_output(as_path(target), *(() if source == "-" else (source,)))
    with ExitStack() as stack:
        lines, total = open_lines(source, stack)
        settings = describe_settings(options)
        num_there, out = 0, cast(BinaryIO, sys.stdout.buffer)
        if target != "-":
            out = stack.enter_context(open(target, "ab"))
            lock(out, target)
            num_there, lines = resume(Path(target), source, lines, settings)
        model = load_model(options)
        tokenizer = require_tokenizer(model, options)
        if not options.raw:
            check_chat(tokenizer, options)
        model._text_stream(sampling_options(options))  # what is wrong with the options is wrong for every line
        progress = stack.enter_context(Progress("prompts", "prompts"))
        counts = {"answered": 0, "cut": 0, "failed": 0}
        rows: deque[Row] = deque()
        engine = Engine(model)
        submitted = submit_all(engine, tokenizer, lines, rows, options)
        for outcome in stack.enter_context(closing(in_order(engine, submitted))):
            row = rows.popleft()
            out.write(describe(row, outcome, settings))
            out.flush()
            counts["failed" if isinstance(outcome, Exception) else "answered"] += 1
            counts["cut"] += isinstance(outcome, Result) and outcome.finish_reason == "length"
            if total is not None:
                progress.update(num_there + counts["failed"] + counts["answered"], total)
    print(f"gesso: {visible(summary(target, num_there, **counts))}", file=sys.stderr)
    return FAILED if counts["failed"] else ALL_ANSWERED


def summary(target: str, num_there: int, answered: int, cut: int, failed: int) -> str:
    """Returns, for example, "out.jsonl: answers: 7 (2 of them cut by max_new_tokens), errors: 1, there already: 3"."""
    parts = [f"answers: {answered}" + (f" ({cut} of them cut by max_new_tokens)" if cut else "")]
    parts += [f"errors: {failed}"] if failed else []
    parts += [f"there already: {num_there}"] if num_there else []
    return f"{'standard output' if target == '-' else target}: {', '.join(parts)}"


# IN


def open_lines(source: str, stack: ExitStack) -> tuple[Iterator[Line], int | None]:
    """Returns the lines of IN that are not blank, and how many they are; None for standard input, which may go on."""
    if source == "-":
        return read_lines(sys.stdin.buffer), None
    path = as_path(source)
    with open_regular(path) as file:
        total = sum(1 for _ in read_lines(file))
    return read_lines(stack.enter_context(open_regular(path))), total


def read_lines(file: BinaryIO) -> Iterator[Line]:
    for number in itertools.count(1):
        data = file.readline(MAX_LINE + 1)
        if not data:
            return
        is_too_long = len(data) > MAX_LINE
        rest = data
        while is_too_long and rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if data.strip():
            yield Line(number, data.strip(), is_too_long)


def describe_settings(options: argparse.Namespace) -> bytes:
    """What answers depend on besides the lines. A name without a folder stands for the model."""
    names = ("system", "think", "raw", "timeout")
    template = None if options.chat_template is None else read_text(as_path(options.chat_template))
    settings = {name: getattr(options, name) for name in names} | {"template": template}
    return json.dumps([Path(options.model).name, settings, sampling_options(options)], sort_keys=True).encode()


def parse(line: Line) -> dict[str, Any]:
    """Returns the object of a line. Raises ArgumentError if there is none."""
    if line.is_too_long:
        raise ArgumentError(f"expected at most {MAX_LINE} bytes")
    try:
        entry = json.loads(line.data.decode("utf-8"), parse_constant=refuse_constant)
    except RecursionError:
        raise ArgumentError("JSON that is nested too deep") from None
    except ValueError as error:  # no UTF-8, no JSON
        raise ArgumentError(f"no JSON in UTF-8: {error}") from None
    if not isinstance(entry, dict):
        raise ArgumentError(f"expected a JSON object, got {shorten(entry)}")
    return entry


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


# Requests


def submit_all(
    engine: Engine, tokenizer: Tokenizer, lines: Iterator[Line], rows: deque[Row], options: argparse.Namespace
) -> Iterator[Request | Exception]:
    """Yields the request of each line, or what is wrong with the line, and appends its row to `rows`."""
    for line in lines:
        name: object = None
        try:
            entry = parse(line)
            name = check_id(entry.get("id"))
            row: Request | Exception = submit(engine, tokenizer, entry, options)
        except Exception as error:
            row = error.with_traceback(None)
        rows.append(Row(line, name))
        yield row


def check_id(value: object) -> object:
    is_finite = not isinstance(value, float) or math.isfinite(value)  # 1e999 is infinite, and no JSON for OUT
    if isinstance(value, bool) or not isinstance(value, (str, int, float, type(None))) or not is_finite:
        raise ArgumentError(f"id: expected a text or a number, got {shorten(value)}")
    return value


def submit(engine: Engine, tokenizer: Tokenizer, entry: Mapping[str, Any], options: argparse.Namespace) -> Request:
    names = [option.name for option in _native.generation_options() if option.name not in ("canvas", "pinned")]
    unknown = [key for key in entry if key not in names and key not in MESSAGE_KEYS]
    if unknown:
        raise ArgumentError(f"unknown key {shorten(unknown[0])}; expected {', '.join([*MESSAGE_KEYS, *names])}")
    given = {name: entry[name] for name in names if name in entry}
    sampling = cast(GenerationOptions, {**sampling_options(options), **given})
    timeout = as_timeout(entry.get("timeout", options.timeout))
    return engine.submit(make_prompt(tokenizer, entry, options), deadline=timeout, **sampling)


def make_prompt(tokenizer: Tokenizer, entry: Mapping[str, Any], options: argparse.Namespace) -> str | list[int]:
    """Returns the prompt of a line: in the chat template, or as it is with --raw."""
    if ("prompt" in entry) == ("messages" in entry):
        raise ArgumentError("expected either prompt or messages")
    prompt, messages = entry.get("prompt"), entry.get("messages")
    if "prompt" in entry and not isinstance(prompt, str):
        raise ArgumentError(f"prompt: expected a text, got {shorten(prompt)}")
    if options.raw:
        chat = [key for key in ("messages", "system", "think", "tools") if key in entry]
        if chat:
            raise ArgumentError(f"{chat[0]}: --raw takes no chat template, so only a prompt can be given")
        return str(prompt)
    if prompt == "":
        raise ArgumentError("the prompt is empty")
    system, think = entry.get("system", options.system), entry.get("think", options.think)
    if not isinstance(think, bool):
        raise ArgumentError(f"think: expected true or false, got {shorten(think)}")
    if messages is None:
        messages = [{"role": "user", "content": prompt}]
    elif not isinstance(messages, list) or not messages:
        raise ArgumentError(f"messages: expected a list of messages, got {shorten(messages)}")
    else:
        messages = prepare_chat(messages)  # errors have the place in the line, so before the system message
    if system is not None and not (messages and isinstance(messages[0], dict) and messages[0].get("role") == "system"):
        messages = [{"role": "system", "content": system}, *messages]
    return tokenizer.apply_chat_template(messages, tools=entry.get("tools"), enable_thinking=think, tokenize=True)


# OUT


def describe(row: Row, outcome: Result | Exception, settings: bytes) -> bytes:
    """Returns a line of OUT."""
    head = {"line": row.line.number, "hash": row.line.digest(settings), "id": row.id}
    if isinstance(outcome, Exception):
        message = f"line {row.line.number}: {outcome}"
        report = head | {"error": {"type": type(outcome).__name__, "message": message}}
    else:
        report = head | outcome.to_dict()
    # A lone surrogate, which is no UTF-8, becomes its escape in JSON.
    return json_text(report, indent=None).encode("utf-8", "backslashreplace") + b"\n"


def lock(file: BinaryIO, target: str) -> None:
    """Raises BlockingIOError if another run writes OUT, which would then get lines twice."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{target}: another process is writing this file") from None
    except OSError:  # not every file system has locks
        pass


def resume(target: Path, source: str, lines: Iterator[Line], settings: bytes) -> tuple[int, Iterator[Line]]:
    """Takes a half line from the end of OUT. Returns how many lines OUT has, and the lines of IN that it lacks.

    Raises ValueError, and changes nothing, if OUT was not made of these lines with these options.
    """
    if not target.exists() or not stat.S_ISREG(os.stat(target).st_mode):
        return 0, lines
    count, end = 0, 0
    with open(target, "rb") as file:
        for data in file:
            if not data.startswith(HEAD[: len(data)]):
                raise ValueError(f"{target}: line {count + 1} is not of `gesso run --jsonl`; the file stays as it is")
            line = next(lines, None)
            if line is None:
                raise ValueError(f"{target}: has more lines than {source}, so it was made of another file")
            begin = b'%b%d, "hash": "%b"' % (HEAD, line.number, line.digest(settings).encode())
            if not data.startswith(begin[: len(data)]):
                raise ValueError(
                    f"{target}: line {count + 1} does not belong to line {line.number} of {source} with these options;"
                    " give another OUT, or the options of the run that began it"
                )
            if not data.endswith(b"\n"):
                lines = itertools.chain([line], lines)
                break
            count, end = count + 1, end + len(data)
    os.truncate(target, end)
    return count, lines
