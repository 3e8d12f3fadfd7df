"""Compiles Jinja templates to code that counts its work and keeps the origin of each character.

Jinja's sandbox keeps a template away from the rest of the process. This one also bounds its time and memory, see
`budget`. Strings in a template's source have the origin TEMPLATE, those of its variables the one that they come with.
Jinja calls the environment for most operations, and the generator of its code lets it be called for the others.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, operators
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context
from markupsafe import Markup

from gesso.templates.budget import (
    MAX_BRANCHING,
    NODES_PER_STEP,
    STEPS_PER_CALL,
    LimitError,
    check_bits,
    nested,
    spend,
    weigh,
    write,
)
from gesso.templates.filters import FILTERS, TESTS, result_of
from gesso.templates.formatting import braces
from gesso.templates.marked_text import METHODS, TEMPLATE, UNKNOWN, Text, as_text, joined, origin_of

# What a template may read of Python's own values; of a list, for example, nothing that changes it.
ATTRIBUTES: dict[type | tuple[type, ...], frozenset[str]] = {
    str: METHODS,
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    (list, tuple): frozenset({"copy", "count", "index"}),
    (int, float, complex, bytes, bytearray, set, frozenset, range): frozenset(),
}


class GenerationTag(Extension):
    """The tag {% generation %} ... {% endgeneration %}. Training uses it to find the assistant's words.

    Here its content is rendered as if the tag were not there.
    """

    tags = {"generation"}  # noqa: RUF012 -- jinja2 declares a set

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Namespace(Namespace):
    def __repr__(self) -> str:  # Jinja's shows the values, and those of namespaces among them, without an end
        return "<Namespace>"


class _Generator(CodeGenerator):
    """Writes the Python code of a template."""

    environment: TemplateEnvironment

    # Strings of the template

    def _literal(self, text: str) -> str:
        self.environment.literals.append(Text(text, TEMPLATE))
        return f"environment.literals[{len(self.environment.literals) - 1}]"

    def visit_Const(self, node: nodes.Const, frame: Frame) -> None:
        if isinstance(node.value, str):
            self.write(self._literal(node.value))
        else:
            super().visit_Const(node, frame)

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return self._literal("".join(group))

    # Operations for which Jinja does not call the environment

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.tilde((")
        for item in node.nodes:
            self.visit(item, frame)
            self.write(", ")
        self.write("))")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self.write("environment.cut(")
        self.visit(node.node, frame)
        for part in (node.arg.start, node.arg.stop, node.arg.step):
            self.write(", ")
            self.visit(part or nodes.Const(None), frame)
        self.write(")")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        self.write("(")
        self._visit_weighed(self.visit, node.expr, frame)
        for operand in node.ops:
            self.write(f" {operators[operand.op]} ")
            self._visit_weighed(self.visit, operand.expr, frame)
        self.write(")")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._visit_weighed(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._visit_weighed(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._visit_weighed(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def _visit_weighed(self, visit: Callable[..., object], node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.weighed(")
        visit(node, frame)
        self.write(")")

    # What can run more than once

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        for block in node.find_all(nodes.Block):
            block.body.insert(0, _tick(block.body))
        super().visit_Template(node, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        if node.test:
            node.test = nodes.And(nodes.EnvironmentAttribute("tick(1)"), node.test)
        node.body.insert(0, _tick(node.body))
        super().visit_For(node, frame)

    def macro_body(self, node: nodes.Macro | nodes.CallBlock, frame: Frame) -> Any:
        node.body.insert(0, _tick(node.body))
        return super().macro_body(node, frame)


def _tick(body: list[nodes.Node]) -> nodes.ExprStmt:
    """A statement that counts one run of a body. Bodies inside it that have such a statement themselves count apart."""
    size, rest = 0, list(body)
    while rest:
        node = rest.pop()
        size += 1
        apart = ("body",) if isinstance(node, (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)) else ()
        rest += node.iter_child_nodes(exclude=apart)
    return nodes.ExprStmt(nodes.EnvironmentAttribute(f"tick({1 + size // NODES_PER_STEP})"))


@pass_context  # so that Jinja does not compute outputs while it compiles
def _shown(context: Context, value: Any) -> str:
    return shown(value)


def shown(value: Any) -> str:
    """Returns what is written for a value."""
    if isinstance(value, (Text, Markup)):
        return value
    weigh(value)
    text = str(value)
    return Text(text, origin_of(value) if isinstance(value, (dict, list, tuple)) else UNKNOWN)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """The environment of one template. It must be used with a `Budget` that is active."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self, functions: Mapping[str, Callable[..., Any]]):
        self.literals: list[Text] = []
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, GenerationTag],
            optimized=False,  # it would compute constants, such as 'a' * 10**9, while it compiles
            finalize=_shown,
        )
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)
        del self.globals["lipsum"]
        self.globals |= {"namespace": _Namespace, **functions}

    # What the generated code calls

    def tick(self, steps: int) -> bool:
        spend(steps)
        return True

    def weighed(self, value: Any) -> Any:
        weigh(value)
        return value

    def concat(self, pieces: Iterable[str]) -> Text:  # Jinja has "".join here
        return joined(_bounded(pieces))

    def tilde(self, values: Iterable[Any]) -> Text:
        return joined(map(shown, values))

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        if isinstance(value, (str, list, tuple)):
            spend(1 + len(value) // 64)
        return (as_text(value) if isinstance(value, str) else value)[start:stop:step]

    # What Jinja calls

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        left = as_text(left) if isinstance(left, str) else left
        check_operands(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int):
            check_bits(result.bit_length())
        elif isinstance(result, (list, tuple)):
            weigh(result)
        return result

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        # The names have underscores because keyword arguments of a macro may have any other name.
        with nested():
            spend(STEPS_PER_CALL)
            if isinstance(__obj, Macro):
                return super().call(__context, __obj, *args, **kwargs)
            values = (getattr(__obj, "__self__", None), *args, *kwargs.values())
            weigh(*values)
            return result_of(super().call(__context, __obj, *args, **kwargs), values)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return super().getattr(as_text(obj) if isinstance(obj, str) else obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, tuple):
            weigh(argument)
        return super().getitem(as_text(obj) if isinstance(obj, str) else obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, names in ATTRIBUTES.items():
            if isinstance(obj, kind):
                return attr in names
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        is_method = isinstance(value, (types.MethodType, types.BuiltinMethodType))
        if not is_method or not isinstance(value.__self__, str) or value.__name__ not in ("format", "format_map"):
            return None
        template = as_text(value.__self__)
        if value.__name__ == "format_map":
            return lambda mapping: braces(self, template, (), mapping)
        return lambda *args, **kwargs: braces(self, template, args, kwargs)


def _bounded(pieces: Iterable[str]) -> Iterator[str]:
    """Counts pieces when they come, since they may be too many to keep."""
    for piece in pieces:
        write(len(piece))
        yield piece


def check_branching(template: nodes.Template) -> None:
    """Raises LimitError for a template that Jinja would compile for minutes."""
    names = {node.name for node in template.find_all(nodes.Name)}
    num_branches = sum(1 for _ in template.find_all((nodes.If, nodes.CondExpr, nodes.For, nodes.Macro, nodes.Block)))
    if len(names) * num_branches > MAX_BRANCHING:
        raise LimitError(f"{len(names)} names times {num_branches} branches are more than the limit of {MAX_BRANCHING}")


def check_operands(operator: str, left: Any, right: Any) -> None:
    """Counts the work of an operation that can make something huge of two small values."""
    sequences = [value for value in (left, right) if isinstance(value, (list, tuple))]
    numbers = [value for value in (left, right) if isinstance(value, int)]
    if operator == "+" and len(sequences) == 2:
        spend(len(left) + len(right))
    elif operator == "*" and sequences and numbers:
        spend(len(sequences[0]) * max(numbers[0], 0))
    elif operator == "*" and len(numbers) == 2:
        check_bits(left.bit_length() + right.bit_length())
    elif operator == "**" and len(numbers) == 2:
        check_bits(left.bit_length() * abs(right))
