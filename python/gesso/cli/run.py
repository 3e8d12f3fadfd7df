"""`gesso run`: generates one text from one prompt."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext

from gesso import ArgumentError, _native
from gesso.cli.command_parser import CommandParser
from gesso.cli.model_options import (
    add_chat,
    add_machine,
    add_model,
    add_sampling,
    check_chat,
    load_model,
    require_tokenizer,
    sampling_options,
)
from gesso.model import Model
from gesso.reply import ReplyDecoder
from gesso.result import GenerationOutput
from gesso.terminal.display import LiveText, PlainText, ReplyText, can_show_live, make_console
from gesso.tokenizer import Tokenizer

EXAMPLES = {
    'gesso run mini "What is the capital of your country?" --max-new-tokens 32': "Writes a reply of the bundled model.",
    'gesso run model.gguf "Why is the sky blue?"': "Writes a reply, by the model's chat template.",
    'gesso run model.gguf "Is 91 a prime?" --think --system "Be brief."': "Lets the model think first.",
    'echo "Once upon a time" | gesso run model.gguf --raw --seed 7 --stats': "Continues a text from a pipe, without"
    " the chat template, and prints speed and steps to standard error.",
    "gesso run model.gguf -- --help": "Sends a prompt that begins with a dash: nothing behind -- is an option.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        help="write a text",
        description="Writes a text that answers a prompt. On a terminal, what the model thinks is dim. Into a pipe or a"
        " file goes the text alone, and the thoughts go to standard error.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=run)
    add_model(parser)
    parser.add_argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        default="-",
        help="the prompt; if it is - or missing, it is read from standard input, without the last line break",
    )
    chat = add_chat(parser)
    chat.add_argument(
        "--raw",
        action="store_true",
        help="give the model the prompt as it is, without a chat template; special tokens that are written out in it"
        " count as such",
    )
    add_sampling(parser)
    add_machine(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--live", action="store_true", help="show the canvas settling in place (on a terminal)")
    output.add_argument("--stats", action="store_true", help="print speed and steps to standard error")


def run(options: argparse.Namespace) -> int:
    if options.raw and (options.system is not None or options.think or options.chat_template is not None):
        options.usage_error("--raw excludes --system, --think and --chat-template, which are for chat templates")
    if options.prompt == "-" and sys.stdin.isatty():
        options.usage_error("no prompt: give one, or send it to standard input")
    prompt = read_prompt(options.prompt)
    model = load_model(options)
    tokenizer = require_tokenizer(model, options)
    ids = make_prompt(tokenizer, prompt, options)
    start = time.perf_counter()
    output = generate(model, tokenizer, ids, options)
    if options.stats:
        print_stats(output, time.perf_counter() - start)
    return 0


def read_prompt(argument: str) -> str:
    if argument == "-":
        try:
            prompt = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"standard input is not UTF-8: {error}") from None
        prompt = prompt.removesuffix("\n").removesuffix("\r")  # the line break of Windows has both
    else:
        prompt = argument
    if not prompt:
        raise ArgumentError("the prompt is empty")
    return prompt


def make_prompt(tokenizer: Tokenizer, prompt: str, options: argparse.Namespace) -> list[int]:
    """Returns the ids of the prompt: in the chat template, in which the prompt is text, or as it is."""
    if options.raw:
        return tokenizer.encode_prompt(prompt)
    check_chat(tokenizer, options)
    messages = [{"role": "user", "content": prompt}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    return tokenizer.apply_chat_template(messages, enable_thinking=options.think, tokenize=True)


def generate(model: Model, tokenizer: Tokenizer, prompt: list[int], options: argparse.Namespace) -> GenerationOutput:
    """Generates a text and prints it canvas by canvas."""
    decoder = ReplyDecoder(tokenizer, prompt)
    display: LiveText | PlainText = PlainText(sys.stdout)
    if options.live and can_show_live(sys.stdout):
        display = LiveText(make_console(sys.stdout), tokenizer, model.config.end_token_ids)
    thoughts = None if sys.stdout.isatty() else PlainText(sys.stderr)
    reply = ReplyText(display, thoughts)

    def on_canvas(event: _native.CanvasEvent) -> None:
        ids = event.ids[: event.text_length].tolist()
        display.count(len(ids))
        reply.show(decoder.push(ids))

    with display, thoughts or nullcontext():
        output = model.generate(prompt, on_step=display.on_step, on_canvas=on_canvas, **sampling_options(options))
        reply.show(decoder.flush())
    return output


def print_stats(output: GenerationOutput, seconds: float) -> None:
    num_tokens, steps, timings = len(output.sequences[0]), output.denoising_steps[0], output.timings
    lines = [
        f"{num_tokens} tokens in {seconds:.2f} s: {num_tokens / seconds:.1f} tokens/s",
        f"{len(steps)} canvases, steps {' '.join(map(str, steps))}: {output.tokens_per_forward[0]:.1f} tokens per step",
        # A short prompt is encoded by the first step alone.
        (f"encoding {timings.encode_ms:.0f} ms, " if timings.encode_ms >= 1 else "")
        + f"denoising {timings.denoise_ms:.0f} ms,"
        f" first canvas after {timings.first_canvas_ms:.0f} ms",
    ]
    sys.stdout.flush()
    print("\n".join(lines), file=sys.stderr)
