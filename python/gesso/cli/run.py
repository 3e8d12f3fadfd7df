"""`gesso run`: generates one text from one prompt, or a line for each of many prompts in a file."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass

from gesso import ArgumentError, _native
from gesso.chat_events import ReplyStream
from gesso.cli.parts import jsonl
from gesso.cli.parts.command_parser import CommandParser, add_json
from gesso.cli.parts.model_options import (
    add_chat,
    add_machine,
    add_model,
    add_sampling,
    add_timeout,
    check_chat,
    load_model,
    require_tokenizer,
    sampling_options,
)
from gesso.engine import EndEvent, Engine
from gesso.files.regular_file import as_path, decode, read_text
from gesso.measure.text import counted, json_text
from gesso.model import Model
from gesso.reply import ReplyDecoder
from gesso.result import Result
from gesso.session import OnCanvas, OnStep
from gesso.terminal.display import LiveText, PlainText, ReplyText, can_show_live, make_console
from gesso.tokenizer import Tokenizer

EXAMPLES = {
    'gesso run mini "Tell me a joke." --max-new-tokens 32': "Writes a reply of the bundled model.",
    'gesso run model.gguf "Why is the sky blue?"': "Writes a reply, by the model's chat template.",
    'gesso run model.gguf "Is 91 a prime?" --think --system "Be brief."': "Lets the model think first.",
    'echo "Once upon a time" | gesso run model.gguf --raw --seed 7 --stats': "Continues a text from a pipe, without"
    " the chat template, and prints speed and steps to standard error.",
    "gesso run model.gguf --jsonl questions.jsonl answers.jsonl": "Answers many prompts; what was stopped goes on.",
    'gesso run model.gguf "Name three rivers." --stop "4." --json': "Ends in front of a text, and writes JSON.",
    "gesso run model.gguf -- --help": "Sends a prompt that begins with a dash: nothing behind -- is an option.",
}
STANDARD_INPUT = ("-", "/dev/stdin")  # as a FILE; the second cannot be opened where it is a socket


@dataclass(frozen=True)
class Outcome:
    """What became of the prompt."""

    result: Result
    seconds: float
    timings: _native.Timings | None  # None with --timeout


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        help="write a text",
        description="Writes a text that answers a prompt. On a terminal the canvas is seen settling, and what the model"
        " thinks is dim. Into a pipe or a file goes the text alone, and the thoughts go to standard error.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=run)
    add_model(parser)
    parser.add_argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        default="-",
        help="the prompt; if it is - or missing, it is read from standard input, without the last line break;"
        " on a terminal a chat begins, see gesso chat",
    )
    prompts = parser.add_argument_group("prompts from files")
    prompts.add_argument(
        "--file",
        metavar="FILE",
        help="read the prompt from FILE, without its last line break; a pipe is read, too, and - is standard input",
    )
    jsonl.add_arguments(prompts)
    chat = add_chat(parser)
    chat.add_argument(
        "--raw",
        action="store_true",
        help="give the model the prompt as it is, without a chat template; special tokens that are written out in it"
        " count as such",
    )
    add_sampling(parser)
    add_timeout(add_machine(parser))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--plain", action="store_true", help="on a terminal, show text when it is final, and no canvas that settles"
    )
    output.add_argument("--stats", action="store_true", help="print speed and steps to standard error")
    add_json(output)


def run(options: argparse.Namespace) -> int:
    check_usage(options)
    if options.jsonl is not None:
        return jsonl.run(options)
    if options.prompt == "-" and options.file is None and sys.stdin.isatty():
        return chat(options)
    prompt = read_prompt(options)
    model = load_model(options)
    tokenizer = require_tokenizer(model, options)
    ids = make_prompt(tokenizer, prompt, options)
    outcome = generate(model, tokenizer, ids, options)
    if options.json:
        print(json_text(describe(model, outcome, options)))
    sys.stdout.flush()
    if options.stats:
        print("\n".join(statistics(outcome)), file=sys.stderr)
    note = how_to_get_more(model, outcome.result, options)
    if note:
        print(f"gesso: {note}", file=sys.stderr)
    return 0


def chat(options: argparse.Namespace) -> int:
    """Holds a conversation, since there is no prompt and somebody sits at a terminal."""
    for name in ("raw", "stats", "json"):
        if getattr(options, name):
            options.usage_error(f"no prompt: give one, or send it to standard input; a chat has no --{name}")
    from gesso.talk.start import converse  # few runs need it

    model = load_model(options)
    tokenizer = require_tokenizer(model, options)
    check_chat(tokenizer, options)
    return converse(
        model,
        tokenizer,
        options.model,
        sampling_options(options),
        system=options.system,
        think=options.think,
        timeout=options.timeout,
        live=not options.plain,
    )


def check_usage(options: argparse.Namespace) -> None:
    if options.raw and (options.system is not None or options.think or options.chat_template is not None):
        options.usage_error("--raw excludes --system, --think and --chat-template, which are for chat templates")
    if options.file is not None and options.prompt != "-":
        options.usage_error("expected either PROMPT or --file")
    if options.jsonl is not None:
        for name in ("file", "plain", "stats", "json"):
            if getattr(options, name):
                options.usage_error(f"--{name} does not go with --jsonl")
        if options.prompt != "-":
            options.usage_error("expected either PROMPT or --jsonl")


def read_prompt(options: argparse.Namespace) -> str:
    if options.file is not None:
        prompt = read_file(options.file)
    elif options.prompt == "-":
        prompt = read_input()
    else:
        prompt = options.prompt
    if not prompt:
        source = "standard input" if options.file in STANDARD_INPUT else options.file
        raise ArgumentError(f"{source}: the prompt is empty" if source else "the prompt is empty")
    return prompt


def read_file(name: str) -> str:
    if name in STANDARD_INPUT:
        return read_input()
    path = as_path(name)
    # A shell's <(command) is a pipe, which somebody will close. Other things may never end.
    text = decode(path, path.read_bytes()) if path.is_fifo() else read_text(path)
    return without_line_break(text.removeprefix("\ufeff"))


def read_input() -> str:
    try:
        return without_line_break(sys.stdin.buffer.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input is not UTF-8: {error}") from None


def without_line_break(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")  # the line break of Windows has both


def make_prompt(tokenizer: Tokenizer, prompt: str, options: argparse.Namespace) -> list[int]:
    """Returns the ids of the prompt: in the chat template, in which the prompt is text, or as it is."""
    if options.raw:
        return tokenizer.encode_prompt(prompt)
    check_chat(tokenizer, options)
    messages = [{"role": "user", "content": prompt}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    return tokenizer.apply_chat_template(messages, enable_thinking=options.think, tokenize=True)


def generate(model: Model, tokenizer: Tokenizer, prompt: list[int], options: argparse.Namespace) -> Outcome:
    """Generates a text and shows it: step by step on a terminal, else canvas by canvas. With --json it shows none."""
    sampling = sampling_options(options)
    replies = ReplyStream(ReplyDecoder(tokenizer, prompt), model._text_stream(sampling))
    if options.json:
        return write(model, prompt, options)
    display: LiveText | PlainText = PlainText(sys.stdout)
    if not options.plain and can_show_live(sys.stdout):
        display = LiveText(make_console(sys.stdout), tokenizer, model.config.end_token_ids)
    thoughts = None if sys.stdout.isatty() else PlainText(sys.stderr)
    reply = ReplyText(display, thoughts)

    def on_canvas(event: _native.CanvasEvent) -> None:
        display.count(event.text_length)
        reply.show(replies.parts(event))

    with display, thoughts or nullcontext():
        display.wait(f"reading the prompt, {len(prompt):,} tokens")
        outcome = write(model, prompt, options, display.on_step, on_canvas)
        reply.show(replies.parts(EndEvent(outcome.result, outcome.result.finish_reason)))
    return outcome


def write(
    model: Model,
    prompt: list[int],
    options: argparse.Namespace,
    on_step: OnStep | None = None,
    on_canvas: OnCanvas | None = None,
) -> Outcome:
    start = time.perf_counter()
    sampling = sampling_options(options)
    if options.timeout is None:
        output = model.generate(prompt, on_step=on_step, on_canvas=on_canvas, **sampling)
        return Outcome(output[0], time.perf_counter() - start, output.timings)
    with Engine(model) as engine:  # only requests of an engine have a deadline
        request = engine.submit(prompt, deadline=options.timeout, on_step=on_step, on_canvas=on_canvas, **sampling)
        return Outcome(request.result(), time.perf_counter() - start, None)


def describe(model: Model, outcome: Outcome, options: argparse.Namespace) -> dict[str, object]:
    """Everything that --json prints."""
    timings = outcome.timings
    return {
        "model": options.model,
        "device": model.device,
        **outcome.result.to_dict(),
        "seconds": outcome.seconds,
        "timings": timings
        and {name: getattr(timings, name) for name in ("encode_ms", "denoise_ms", "first_canvas_ms", "steps")},
    }


def how_to_get_more(model: Model, result: Result, options: argparse.Namespace) -> str | None:
    """Says that the text was cut, and which option lets it go on. None if it is whole."""
    if result.finish_reason == "deadline":
        return f"the answer was cut after {options.timeout:g} seconds; a larger --timeout gives more"
    if result.finish_reason != "length":
        return None
    length, config = result.usage.completion_tokens, model.config
    left = (config.max_position_embeddings - result.usage.prompt_tokens) // config.canvas_length * config.canvas_length
    cut = f"the answer was cut after {length:,} tokens"
    if left <= length:
        return f"{cut}, since the model's context of {config.max_position_embeddings:,} is full"
    return f"{cut}; --max-new-tokens {min(2 * length, left)} gives more"


def statistics(outcome: Outcome) -> list[str]:
    result, timings = outcome.result, outcome.timings
    num_tokens, steps = len(result.ids), result.denoising_steps
    lines = [
        f"{num_tokens} tokens in {outcome.seconds:.2f} s: {num_tokens / outcome.seconds:.1f} tokens/s",
        f"{counted(len(steps), 'canvas', 'canvases')}, steps {' '.join(map(str, steps))}:"
        f" {result.tokens_per_forward:.1f} tokens per step",
    ]
    if timings is not None:
        # A short prompt is encoded by the first step alone.
        lines.append(
            (f"encoding {timings.encode_ms:.0f} ms, " if timings.encode_ms >= 1 else "")
            + f"denoising {timings.denoise_ms:.0f} ms,"
            f" first canvas after {timings.first_canvas_ms:.0f} ms"
        )
    return lines
