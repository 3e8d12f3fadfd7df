"""`gesso run`: generates one text from one prompt."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, nullcontext
from typing import cast

from gesso import ArgumentError, _native
from gesso._native import OptionInfo, OptionKind
from gesso.cli.command_parser import CommandParser, add_no_mmap, add_threads, option_value
from gesso.files.regular_file import as_path, read_text
from gesso.loading import load
from gesso.model import Model
from gesso.options import GenerationOptions
from gesso.reply import ReplyDecoder
from gesso.result import GenerationOutput
from gesso.templates.chat_template import compile_chat
from gesso.terminal.display import LiveText, PlainText, ReplyText, can_show_live, make_console
from gesso.terminal.progress import Progress
from gesso.tokenizer import Tokenizer


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        help="write a text",
        description="Writes a text that answers a prompt. On a terminal, what the model thinks is dim. Into a pipe or a"
        " file goes the text alone, and the thoughts go to standard error.",
    )
    parser.set_defaults(command=run)
    parser.add_argument("model", metavar="MODEL", help="a .gguf file, a Hugging Face folder, or a bundled model's name")
    parser.add_argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        default="-",
        help="the prompt; if it is - or missing, it is read from standard input, without the last line break",
    )
    chat = parser.add_argument_group("chat")
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--think", action="store_true", help="let the model think first")
    chat.add_argument(
        "--chat-template", metavar="FILE", help="a file with the chat template to use instead of the model's, in Jinja"
    )
    chat.add_argument(
        "--raw",
        action="store_true",
        help="give the model the prompt as it is, without a chat template; special tokens that are written out in it"
        " count as such",
    )
    sampling = parser.add_argument_group(
        "sampling",
        "What is not given comes from the model's file. Entropy, in nats, says how uncertain a token is: 0 is certain.",
    )
    for option in options_with_flags():
        add_option(sampling, option)
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, or auto (the default), which takes a GPU if there is one"
    )
    machine.add_argument(
        "--activations",
        default="auto",
        help="how products with weights round their inputs: f32 or int8 on the CPU, bf16 or int8 on a GPU; auto (the"
        " default) is int8 on the CPU and the faster one on a GPU",
    )
    machine.add_argument(
        "--exact-soft-embedding",
        action="store_true",
        help="do not leave out the least probable tokens where the CPU does so beside int8 inputs; it is slower",
    )
    add_threads(machine)
    add_no_mmap(machine)
    output = parser.add_argument_group("output")
    output.add_argument("--live", action="store_true", help="show the canvas settling in place (on a terminal)")
    output.add_argument("--stats", action="store_true", help="print speed and steps to standard error")


def options_with_flags() -> list[OptionInfo]:
    """The generation options that have a flag on the command line."""
    return [option for option in _native.generation_options() if option.flag]


def add_option(group: argparse._ArgumentGroup, option: OptionInfo) -> None:
    """Adds an argument for one option of the table. A seed is one number here, since there is one text."""
    fixed = {OptionKind.INT: option.default_value, OptionKind.SEEDS: 0}.get(option.kind)
    group.add_argument(
        f"--{option.flag}",
        dest=option.name,
        type=option_value(option),
        metavar=option.unit.upper() or ("X" if option.kind == OptionKind.FLOAT else "N"),
        help=option.help if option.checkpoint_key else f"{option.help} The default is {fixed}.",
    )


def run(options: argparse.Namespace) -> int:
    if options.raw and (options.system is not None or options.think or options.chat_template is not None):
        options.usage_error("--raw excludes --system, --think and --chat-template, which are for chat templates")
    if options.prompt == "-" and sys.stdin.isatty():
        options.usage_error("no prompt: give one, or send it to standard input")
    prompt = read_prompt(options.prompt)
    template = None if options.chat_template is None else read_template(options.chat_template)
    model = load_model(options)
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise ValueError(f"{options.model}: the checkpoint has no tokenizer, so it cannot read or write text")
    ids = make_prompt(tokenizer, prompt, template, options)
    start = time.perf_counter()
    output = generate(model, tokenizer, ids, options)
    if options.stats:
        print_stats(output, time.perf_counter() - start)
    return 0


def load_model(options: argparse.Namespace) -> Model:
    """Loads the model. While weights go to a GPU, the progress is shown."""
    with ExitStack() as stack:
        progress: list[Progress] = []

        def show(done: int, total: int) -> None:
            if not progress:
                progress.append(stack.enter_context(Progress(f"loading {options.model}")))
            progress[0].update(done, total)

        return load(
            options.model,
            options.device,
            options.threads,
            activations=options.activations,
            exact_soft_embedding=options.exact_soft_embedding,
            on_progress=show,
            mmap=options.mmap,
        )


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


def read_template(file: str) -> str:
    """Reads a chat template and compiles it, before the model is loaded. Errors name the file."""
    template = read_text(as_path(file))
    try:
        compile_chat(template)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return template


def make_prompt(tokenizer: Tokenizer, prompt: str, template: str | None, options: argparse.Namespace) -> list[int]:
    """Returns the ids of the prompt: in the chat template, in which the prompt is text, or as it is."""
    if options.raw:
        return tokenizer.encode_prompt(prompt)
    if template is None and tokenizer.chat_template is None:
        raise ArgumentError(
            f"{options.model}: the checkpoint has no chat template; give one with --chat-template FILE, or use --raw to"
            " give the model the prompt as it is"
        )
    source = template if template is not None else tokenizer.chat_template
    if options.think and source is not None and "enable_thinking" not in compile_chat(source).variables:
        owner = f"{options.model}: its" if template is None else f"{options.chat_template}: this"
        raise ArgumentError(f"{owner} chat template has no thinking mode, which --think needs")
    messages = [{"role": "user", "content": prompt}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    return tokenizer.apply_chat_template(messages, enable_thinking=options.think, chat_template=template, tokenize=True)


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


def sampling_options(options: argparse.Namespace) -> GenerationOptions:
    """The generation options that the command line sets."""
    given = {option.name: getattr(options, option.name) for option in options_with_flags()}
    return cast(GenerationOptions, {name: value for name, value in given.items() if value is not None})


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
