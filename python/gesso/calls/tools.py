"""Tools that a chat offers to the model: Python functions, or declarations of tools that the caller runs."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from gesso._native import ArgumentError
from gesso.calls.tool_call import ToolCall
from gesso.files.callback import plain_callback
from gesso.templates.messages import check_json, check_tools

SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
# A section of a docstring, as Google's style has it, and what `:param name:` begins.
SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Return|Raises|Yields|Examples?|Notes?):\s*$", re.MULTILINE)
FIELD = re.compile(r"^:(\w+)", re.MULTILINE)
PARAMETER = re.compile(r"^(?P<indent>\s+)\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)$")


@dataclass(frozen=True)
class Tool:
    """One tool. `function` is None where the caller runs it."""

    name: str
    declaration: dict[str, Any]  # {"type": "function", "function": {"name", "description", "parameters"}}
    function: Callable[..., object] | None = None

    def answer(self, arguments: Mapping[str, Any]) -> str | dict[str, Any]:
        """Runs the function. What it raises is told to the model, which can try something else.

        TypeError, for the program, when the function returns something that JSON lacks.
        """
        assert self.function is not None
        try:
            inspect.signature(self.function).bind(**arguments)
        except TypeError as error:
            return {"error": f"wrong arguments: {error}"}
        try:
            value = self.function(**copy.deepcopy(dict(arguments)))  # the conversation keeps what the model wrote
        except Exception as error:
            message = f"{type(error).__name__}: {error}"  # it may have names of files that are not UTF-8
            return {"error": message.encode("utf-8", "backslashreplace").decode()}
        check_json(value, f"the answer of the tool {self.name}")
        if isinstance(value, (str, dict)):
            return value
        return json.dumps(value, ensure_ascii=False)


def answer_call(tools: Mapping[str, Tool], call: ToolCall) -> str | dict[str, Any]:
    """Runs the function that a call names, or returns what is wrong with the call."""
    if call.error is not None:
        return {"error": f"the call could not be read: {call.error}"}
    if call.name not in tools:
        return {"error": f"there is no tool {call.name!r}; there are {', '.join(tools) or 'none'}"}
    return tools[call.name].answer(call.arguments)


def read_tools(tools: object) -> dict[str, Tool]:
    """Reads what a caller gives as tools: functions, and declarations in the form of OpenAI's API, by name."""
    if tools is None:
        return {}
    if not isinstance(tools, (list, tuple)):
        raise TypeError(f"tools: expected a list of functions or declarations, got {type(tools).__name__}")
    found: dict[str, Tool] = {}
    for i, given in enumerate(tools):
        tool = _read_tool(given, f"tools[{i}]")
        if tool.name in found:
            raise ArgumentError(f"tools[{i}]: there are two tools of the name {tool.name!r}")
        found[tool.name] = tool
    return found


def _read_tool(given: object, where: str) -> Tool:
    if not callable(given):
        check_tools([given])
        assert isinstance(given, dict)
        return Tool(given["function"]["name"], given)
    declaration = declare(given, where)
    plain = plain_callback(where, given)
    assert plain is not None
    return Tool(declaration["function"]["name"], declaration, functools.wraps(given)(plain))


def declare(function: Callable[..., object], where: str = "tools") -> dict[str, Any]:
    """Makes the declaration of a Python function: its name, its docstring, and the types of its parameters.

    The description is the docstring's text in front of its sections. A parameter's description stands under "Args:", or
    behind ":param name:". TypeError for a parameter whose type JSON lacks, or that has no type.
    """
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise TypeError(f"{where}: expected a function with a name, got {function!r}")
    where = f"{where}, {name}"
    try:
        signature = inspect.signature(function)
        body = inspect.unwrap(function)  # functools.cache, for example, wraps it
        is_function = inspect.isfunction(body) or inspect.ismethod(body)
        hints = typing.get_type_hints(body if is_function else type(function).__call__)
    except (ValueError, TypeError, NameError) as error:
        raise TypeError(f"{where}: its signature cannot be read: {error}") from None
    text, descriptions = _read_docstring(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in signature.parameters.values():
        place = f"{where}: parameter {parameter.name}"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{place}: expected one that can be given by name")
        if parameter.name not in hints:
            raise TypeError(f"{place}: expected a type, for example {parameter.name}: str")
        properties[parameter.name] = _schema(hints[parameter.name], place)
        if description := descriptions.get(parameter.name):
            properties[parameter.name]["description"] = description
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    return {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}


def _schema(hint: Any, where: str) -> dict[str, Any]:
    """The JSON schema of a type."""
    if hint in SIMPLE:
        return {"type": SIMPLE[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _schema(arguments[0], where)
    if origin in (Union, types.UnionType):
        others = [argument for argument in arguments if argument is not type(None)]
        if len(others) == 1:  # what may be left out
            return _schema(others[0], where) | {"nullable": True}
    elif origin is Literal:
        kinds = {type(value) for value in arguments}
        if len(kinds) == 1 and kinds <= SIMPLE.keys():
            return {"type": SIMPLE[kinds.pop()], "enum": list(arguments)}
    elif origin in (list, Sequence) and arguments:
        return {"type": "array", "items": _schema(arguments[0], where)}
    elif hint is list or origin is list:
        return {"type": "array"}
    elif hint is dict or origin in (dict, Mapping):
        return {"type": "object"}
    expected = "str, int, float, bool, list, dict, a Literal, or one of them | None"
    raise TypeError(f"{where}: expected one of the types {expected}, got {hint}")


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Returns the text in front of the sections, and the descriptions of parameters."""
    descriptions: dict[str, str] = {}
    begin = next((m.start() for m in (SECTION.search(text), FIELD.search(text)) if m), len(text))
    for name, words in re.findall(r"^:param (?:[^:]* )?(\w+):((?:.|\n(?!:))*)", text, re.MULTILINE):
        descriptions[name] = _one_line(words)
    section = re.search(r"^(?:Args|Arguments|Parameters):\s*\n((?:[ \t].*\n?|\n)*)", text, re.MULTILINE)
    indent, name = None, None
    for line in section[1].splitlines() if section else []:
        found = PARAMETER.match(line)
        if found and (indent is None or len(found["indent"]) <= indent):
            indent, name = len(found["indent"]), found["name"]
            descriptions[name] = found["text"].strip()
        elif name is not None:
            descriptions[name] = _one_line(f"{descriptions[name]} {line}")
    return _one_line(text[:begin]), descriptions


def _one_line(text: str) -> str:
    return " ".join(text.split())
