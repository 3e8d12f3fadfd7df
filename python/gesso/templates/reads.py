"""Finds the variables that a template reads before it has set them itself, so those that a caller can give."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import meta, nodes
from jinja2.visitor import NodeVisitor


def names_read(tree: nodes.Template) -> frozenset[str]:
    """Returns the names that a template may read from the caller's variables.

    Jinja's own search also reports names that are set in one branch and read only there. `_Reader` does not, but it
    reports the functions that a macro uses before the template defines them. What both report is read.
    """
    reader = _Reader()
    reader.visit_all(tree.body, set())
    return frozenset(reader.found & meta.find_undeclared_variables(tree))


class _Reader(NodeVisitor):
    """Walks through a template in the order in which it runs. `known` are the names that surely have a value."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_all(self, some: Iterable[nodes.Node | None], known: set[str]) -> set[str]:
        for node in some:
            if node is not None:
                self.visit(node, known)
        return known

    def generic_visit(self, node: nodes.Node, known: set[str]) -> None:
        # What is set inside `with`, `filter`, a scope or a block ends with it.
        inner = known if isinstance(node, (nodes.Expr, nodes.Output, nodes.ExprStmt)) else set(known)
        self.visit_all(node.iter_child_nodes(), inner)

    def visit_Name(self, node: nodes.Name, known: set[str]) -> None:
        if node.ctx != "load":
            known.add(node.name)
        elif node.name not in known:
            self.found.add(node.name)

    def visit_NSRef(self, node: nodes.NSRef, known: set[str]) -> None:
        if node.name not in known:
            self.found.add(node.name)

    def visit_Assign(self, node: nodes.Assign, known: set[str]) -> None:
        self.visit_all([node.node, node.target], known)

    def visit_AssignBlock(self, node: nodes.AssignBlock, known: set[str]) -> None:
        self.visit_all([*node.body, node.filter], set(known))
        self.visit(node.target, known)

    def visit_If(self, node: nodes.If, known: set[str]) -> None:
        branches = []
        for branch in (node, *node.elif_):
            self.visit(branch.test, known)
            branches.append(self.visit_all(branch.body, set(known)))
        branches.append(self.visit_all(node.else_, set(known)))
        known |= set.intersection(*branches)

    def visit_For(self, node: nodes.For, known: set[str]) -> None:
        self.visit(node.iter, known)
        inner = {*known, "loop"}
        self.visit_all([node.target, node.test, *node.body], inner)
        self.visit_all(node.else_, set(known))

    def visit_With(self, node: nodes.With, known: set[str]) -> None:
        self.visit_all([*node.values, *node.targets, *node.body], set(known))

    def visit_Macro(self, node: nodes.Macro, known: set[str]) -> None:
        known.add(node.name)
        self.visit_all([*node.args, *node.defaults, *node.body], {*known, "caller", "varargs", "kwargs"})

    def visit_CallBlock(self, node: nodes.CallBlock, known: set[str]) -> None:
        self.visit(node.call, known)
        self.visit_all([*node.args, *node.defaults, *node.body], {*known, "caller", "varargs", "kwargs"})
