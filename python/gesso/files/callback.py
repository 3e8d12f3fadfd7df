"""The functions that a caller passes in, such as on_step and on_progress. They are called and never awaited."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable
from typing import ParamSpec

Arguments = ParamSpec("Arguments")


def plain_callback(name: str, function: Callable[Arguments, object] | None) -> Callable[Arguments, object] | None:
    """Returns a function that calls `function` and checks its answer. None stays None.

    name: the argument that it was passed as, for the message.
    TypeError for what cannot be called, and for a function whose body would not run when it is called: an `async def`,
    or one with `yield`. A function that answers with a coroutine, a future or a generator raises TypeError when called.
    """
    if function is None:
        return None
    if not callable(function):
        raise TypeError(f"{name}: expected a function, got {type(function).__name__} {reprlib.repr(function)}")
    innermost: object = function
    while isinstance(innermost, functools.partial):
        innermost = innermost.func
    for body in (innermost, type(innermost).__call__):
        if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
            raise TypeError(
                f"{name}: expected a plain function, got the async one {_name(function)}; it is not awaited"
            )
        if inspect.isgeneratorfunction(body):
            raise TypeError(
                f"{name}: expected a plain function, got {_name(function)}, whose `yield` makes a generator"
            )

    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> object:
        answer = function(*arguments, **named)
        if inspect.isawaitable(answer) or inspect.isasyncgen(answer) or inspect.isgenerator(answer):
            if inspect.iscoroutine(answer):
                answer.close()  # else Python would warn that nobody awaited it
            kind = type(answer).__name__
            raise TypeError(
                f"{name}: expected a plain answer, but {_name(function)} returns a {kind}, which nothing would wait for"
            )
        return answer

    return call


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", None) or reprlib.repr(function)
