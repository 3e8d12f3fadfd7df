"""`gesso chat`: a conversation with a model."""

from __future__ import annotations

import argparse
import sys

from gesso.cli.parts.command_parser import CommandParser
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
from gesso.files.partial_file import check_output
from gesso.files.regular_file import as_path

EXAMPLES = {
    "gesso chat mini": "Talks with the bundled model.",
    'gesso chat model.gguf --system "Be brief." --think': "Gives a system message, and lets the model think.",
    "gesso chat model.gguf --tools weather.py": "Lets the model call the functions of a file, after a question each.",
    "gesso chat model.gguf --load talk.json --save talk.json": "Goes on with a saved conversation, and saves it again.",
    "gesso chat model.gguf < questions.txt > answers.txt": "Answers each line.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "chat",
        help="talk with a model",
        description="Holds a conversation. On a terminal the canvas settles in place, and /help lists the commands."
        " Elsewhere each line of standard input is a message or a command, and standard output gets the answers alone.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=chat)
    add_model(parser)
    group = add_chat(parser)
    group.add_argument(
        "--tools",
        metavar="FILE",
        help="tools that the model may call: the functions of a .py file, which is run, or declarations in a .json"
        " file, whose answers you write",
    )
    group.add_argument(
        "--allow-tools",
        action="store_true",
        help="run functions whenever the model calls them; without it each call is asked about",
    )
    group.add_argument(
        "--load", metavar="FILE", help="go on with a saved conversation; other options go before its settings"
    )
    group.add_argument("--save", metavar="FILE", help="save the conversation at the end, for --load and /load")
    add_sampling(parser, seed="Without it each answer has another one.")
    add_timeout(add_machine(parser))
    output = parser.add_argument_group("output")
    output.add_argument("--plain", action="store_true", help="do not draw the canvas; show text when it is final")
    output.add_argument("--no-history", action="store_true", help="do not keep what is typed for later chats")


def chat(options: argparse.Namespace) -> int:
    from gesso.talk import conversation_file
    from gesso.talk.start import converse
    from gesso.talk.tool_files import load_tools

    if options.load is not None and options.system is not None:
        options.usage_error("--system: a saved conversation has its beginning already; /system changes it")
    # What is wrong with a file is said before the model is loaded, which may take long.
    tools = load_tools(as_path(options.tools)) if options.tools is not None else []
    if any(callable(tool) for tool in tools) and not options.allow_tools and not sys.stdin.isatty():
        options.usage_error("--tools: nobody can be asked here whether a function may run; --allow-tools allows it")
    load, save = (as_path(file) if file is not None else None for file in (options.load, options.save))
    if load is not None:
        conversation_file.read(load)
    if save is not None:
        check_output(save)
        if not conversation_file.is_ours(save):
            raise FileExistsError(f"{save}: exists and is no conversation; it is not overwritten")
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
        tools=tools,
        allows_tools=options.allow_tools,
        load=load,
        save=save,
        timeout=options.timeout,
        live=not options.plain,
        keeps_history=not options.no_history,
    )
