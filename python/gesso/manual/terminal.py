"""Topics as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from gesso.manual.examples import example_lines, indented
from gesso.manual.topics import Topic


def topic_text(topic: Topic, width: int) -> str:
    """Returns a topic with its examples, wrapped to `width` characters."""
    lines = [f"{topic.name}: {topic.summary}"]
    for paragraph in topic.paragraphs:
        lines += ["", *indented(paragraph, width, 0)]
    if topic.terms:
        lines.append("")
    for term, meaning in topic.terms:
        lines += [f"  {term}", *indented(meaning, width, 6)]
    return "\n".join([*lines, "", "examples:", *example_lines(topic.examples, width)])


def overview(description: str, commands: Sequence[tuple[str, str]], topics: Sequence[Topic], width: int) -> str:
    """Returns what `gesso help` prints: all commands and topics, a line for each."""
    rows = [*commands, *((topic.name, topic.summary) for topic in topics)]
    column = max(len(name) for name, _ in rows) + 2
    lines = [*indented(description, width, 0), "", "commands:"]
    lines += [f"  {name:{column}}{summary}" for name, summary in rows[: len(commands)]]
    lines += ["", "topics:"]
    lines += [f"  {name:{column}}{summary}" for name, summary in rows[len(commands) :]]
    return "\n".join([*lines, "", "`gesso help NAME` explains a command or a topic, with examples."])
