"""Renders the chat template of a checkpoint. It is a Jinja program from a file; the modules beside this one run it.

Templates are written for transformers, so gesso gives them what transformers gives them (its file
utils/chat_template_utils.py): its block trimming, the tags `break`, `continue` and `generation`, the functions
`raise_exception` and `strftime_now`, and a `tojson` that does not escape <, > and &. What only serves web pages or the
display of data is left out, see `templates/filters.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import jinja2

from gesso.templates.budget import MAX_SOURCE, Budget, write
from gesso.templates.marked_text import TEMPLATE, Caller, Text
from gesso.templates.reads import names_read
from gesso.templates.sandbox import TemplateEnvironment, check_branching

MAX_MESSAGE = 1000  # characters of an error's text, which the template may have written
MAX_SHOWN = 60  # characters of a template's source in an error


@dataclass(frozen=True)
class CompiledTemplate:
    """A template that is ready to render."""

    template: jinja2.Template
    variables: frozenset[str]  # the names that it reads


@lru_cache(maxsize=8)
def compile_template(source: str) -> CompiledTemplate:
    """Compiles a template. Raises ValueError when `source` is not valid Jinja, or too long."""
    if len(source) > MAX_SOURCE:
        raise ValueError(f"chat template: expected at most {MAX_SOURCE} characters, got {len(source)}")
    environment = TemplateEnvironment({"raise_exception": _raise_exception, "strftime_now": _strftime_now})
    try:
        with Budget().active():
            tree = environment.parse(source)
            check_branching(tree)
            return CompiledTemplate(environment.from_string(source), names_read(tree) - set(environment.globals))
    # Jinja raises more than its own errors: the code that it writes may be nested too deep for Python, for example.
    except Exception as error:
        line = f"line {error.lineno}: " if isinstance(error, jinja2.TemplateSyntaxError) else ""
        reason = getattr(error, "message", None) or str(error) or type(error).__name__
        raise ValueError(f"chat template: cannot be compiled: {line}{reason}") from error


def compile_chat(source: object) -> CompiledTemplate:
    """Compiles a template that a caller or a checkpoint gives for conversations.

    Raises TypeError when it is no string, ValueError when it is not valid Jinja, too long, or reads no messages.
    """
    if not isinstance(source, str):
        raise TypeError(f"chat_template: expected the source of a template as a string, got {type(source).__name__}")
    compiled = compile_template(source.removeprefix("\ufeff"))  # some editors begin a file with this mark
    if "messages" not in compiled.variables:
        shown = source if len(source) <= MAX_SHOWN else source[:MAX_SHOWN] + "..."
        raise ValueError(f"chat template: expected Jinja source that reads the variable messages, got {shown!r}")
    return compiled


def render(compiled: CompiledTemplate, given: Mapping[str, object], tokens: Mapping[str, str]) -> Text:
    """Renders a template. Raises ValueError when it refuses the messages, fails on them or reaches a limit.

    given: what the caller gives: the messages and other variables. Strings in it have the origin CALLER in the result.
    tokens: special tokens for the template, such as bos_token. They count as written by the template.
    """
    caller = Caller()
    try:
        variables = {name: Text(token, TEMPLATE) for name, token in tokens.items()}
        variables |= {name: caller.mark(value) for name, value in given.items()}
    except RecursionError:
        raise ValueError("messages: a value holds itself, or is nested too deep") from None
    with Budget(caller.num_items, caller.num_characters).active():
        try:
            text: str = compiled.template.render(variables)
        except Exception as error:  # the template is a program from the file, so it can raise anything
            reason = str(error)[:MAX_MESSAGE]
            raise ValueError(f"chat template: {type(error).__name__}: {reason}") from error
    assert isinstance(text, Text)  # `TemplateEnvironment.concat` makes it
    return text


def check_variables(compiled: CompiledTemplate, names: Iterable[str], parameters: Collection[str] = ()) -> None:
    """Raises TypeError for a variable that the template does not read; it names one that was probably meant.

    parameters: further names that a caller can give, whether the template reads them or not.
    """
    for name in names:
        if name in compiled.variables:
            continue
        near = difflib.get_close_matches(name, compiled.variables.union(() if name in parameters else parameters), n=1)
        hint = f"did you mean {near[0]}?" if near else f"it reads {', '.join(sorted(compiled.variables)) or 'none'}"
        raise TypeError(f"{name}: the chat template reads no variable of this name; {hint}")


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(layout: str) -> str:
    write(16 * len(layout))
    return datetime.now().strftime(layout)
