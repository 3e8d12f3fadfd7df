"""What commands that write texts share: the options for the chat template, for sampling and for the machine, and the
model that they load."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import cast

from gesso import ArgumentError, _native
from gesso._native import OptionInfo, OptionKind
from gesso.cli.parts.command_parser import (
    CommandParser,
    add_activations,
    add_device,
    add_no_mmap,
    add_threads,
    option_value,
    positive_number,
)
from gesso.cli.parts.log import add_log
from gesso.files.regular_file import as_path, read_text
from gesso.loading import load
from gesso.model import Model
from gesso.options import GenerationOptions
from gesso.templates.chat_template import compile_chat
from gesso.terminal.progress import Progress
from gesso.tokenizer import Tokenizer


def add_model(parser: CommandParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a .gguf file, a Hugging Face folder, a bundled model's name, or org/name of `gesso pull`",
    )


def add_chat(parser: CommandParser) -> argparse._ArgumentGroup:
    """Adds --system, --think and --chat-template. Returns their group, for what a command adds to it."""
    chat = parser.add_argument_group("chat")
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--think", action="store_true", help="let the model think first")
    chat.add_argument(
        "--chat-template", metavar="FILE", help="a file with the chat template to use instead of the model's, in Jinja"
    )
    return chat


def add_sampling(parser: CommandParser, seed: str = "The default is 0.") -> None:
    """Adds what `sampling_options` returns. seed: what happens without --seed."""
    sampling = parser.add_argument_group(
        "sampling",
        "What is not given comes from the model's file. Entropy, in nats, says how uncertain a token is: 0 is certain.",
    )
    for option in options_with_flags():
        _add_option(sampling, option, seed)
    sampling.add_argument(
        "--stop",
        action="append",
        metavar="TEXT",
        help="the text ends in front of the first TEXT in it; the option may be given several times",
    )


def add_timeout(group: argparse._ActionsContainer) -> None:
    """Adds --timeout. Without it, `options.timeout` is None."""
    group.add_argument(
        "--timeout",
        type=positive_number,
        metavar="SECONDS",
        help="a text ends with what is done after so many seconds; it is an error if not even one canvas is done",
    )


def add_machine(parser: CommandParser) -> argparse._ArgumentGroup:
    """Adds where and how the model runs, for `load_model`."""
    machine = parser.add_argument_group("machine")
    add_device(machine)
    add_activations(machine)
    machine.add_argument(
        "--exact-soft-embedding",
        action="store_true",
        help="do not leave out the least probable tokens where the CPU does so beside int8 inputs; it is slower",
    )
    add_threads(machine)
    add_no_mmap(machine)
    add_log(machine)
    return machine


def options_with_flags() -> list[OptionInfo]:
    """The generation options that have a flag on the command line."""
    return [option for option in _native.generation_options() if option.flag]


def _add_option(group: argparse._ArgumentGroup, option: OptionInfo, seed: str) -> None:
    """Adds an argument for one option of the table. A seed is one number here, since there is one text at a time."""
    default = seed if option.kind == OptionKind.SEEDS else f"The default is {option.default_value}."
    group.add_argument(
        f"--{option.flag}",
        dest=option.name,
        type=option_value(option),
        metavar=option.unit.upper() or ("X" if option.kind == OptionKind.FLOAT else "N"),
        help=option.help if option.checkpoint_key else f"{option.help} {default}",
    )


def sampling_options(options: argparse.Namespace) -> GenerationOptions:
    """The generation options that the command line sets."""
    names = [*(option.name for option in options_with_flags()), "stop"]
    given = {name: getattr(options, name) for name in names}
    return cast(GenerationOptions, {name: value for name, value in given.items() if value is not None})


def load_model(options: argparse.Namespace) -> Model:
    """Loads the model, with the template of --chat-template. While weights go to a GPU, the progress is shown."""
    template = None if options.chat_template is None else read_template(options.chat_template)
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
            chat_template=template,
            on_progress=show,
            mmap=options.mmap,
        )


def read_template(file: str) -> str:
    """Reads a chat template and compiles it, before the model is loaded. Errors name the file."""
    template = read_text(as_path(file))
    try:
        compile_chat(template)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return template


def require_tokenizer(model: Model, options: argparse.Namespace) -> Tokenizer:
    if model.tokenizer is None:
        raise ValueError(f"{options.model}: the checkpoint has no tokenizer, so it cannot read or write text")
    return model.tokenizer


def check_chat(tokenizer: Tokenizer, options: argparse.Namespace) -> None:
    """Raises ArgumentError if there is no chat template, or if --think is given and it has no thinking mode."""
    source = tokenizer.chat_template
    if source is None:
        otherwise = ", or use --raw to give the model the prompt as it is" if "raw" in options else ""
        raise ArgumentError(
            f"{options.model}: the checkpoint has no chat template; give one with --chat-template FILE{otherwise}"
        )
    if options.think and "enable_thinking" not in compile_chat(source).variables:
        owner = f"{options.model}: its" if options.chat_template is None else f"{options.chat_template}: this"
        raise ArgumentError(f"{owner} chat template has no thinking mode, which --think needs")
