"""Begins a conversation on standard input and output, and ends it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from gesso.model import Model
from gesso.talk.commands import argument_words
from gesso.talk.inputs import Input, PipedInput, TerminalInput, history_file
from gesso.talk.settings import Settings
from gesso.talk.talk import Talk
from gesso.talk.tool_files import Given
from gesso.tokenizer import Tokenizer

EXIT_FAILED = 1


def converse(
    model: Model,
    tokenizer: Tokenizer,
    name: str,
    options: Mapping[str, object],
    *,
    system: str | None = None,
    think: bool = False,
    tools: list[Given] | None = None,
    allows_tools: bool = False,
    load: Path | None = None,
    save: Path | None = None,
    timeout: float | None = None,
    live: bool = True,
    keeps_history: bool = True,
) -> int:
    """Holds a conversation until the input ends. Returns the exit status of the command.

    name: what the user calls the model. options: generation options by their names. load: a saved conversation; what
    else is given goes before its settings. save: where the conversation is saved at the end, whatever ends it.
    timeout: in seconds for each answer. Where standard input is no terminal, an answer that failed makes the status 1.
    """
    talk: Talk

    def words(command: str) -> list[str]:
        return list(argument_words(talk, command))

    source: Input = PipedInput()
    if sys.stdin.isatty():
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        source = TerminalInput(stream, history_file() if keeps_history else None, words)
    talk = Talk(
        model,
        tokenizer,
        name,
        source,
        Settings(model, options),
        think=think,
        allows_tools=allows_tools,
        timeout=timeout,
        live=live,
    )
    if tools:
        talk.offer(tools)
    if load is not None:
        talk.load(load)
        talk.settings.values |= Settings(model, options).values  # the command line goes before the file
        if think:
            talk.set_thinking(True)
    if system is not None:
        talk.set_system(system)
    if source.is_terminal:
        talk.note(f"{name}: write a message. /help lists the commands, Ctrl-D leaves.")
    try:
        talk.run()
    finally:  # also when Ctrl-C ends a conversation on a pipe
        if save is not None:
            talk.save(save)
    return EXIT_FAILED if talk.has_failed and not source.is_terminal else 0
