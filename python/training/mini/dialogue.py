"""A dialogue with the reply that is expected, and what its task needs to judge another reply."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gesso.reply import Reply

T = TypeVar("T")
NEW_NAME_SHARE = 0.1


@dataclass
class Dialogue:
    """One dialogue.

    content: what it is about, apart from its wording. Its hash decides whether the dialogue is held out.
    messages, tools, thinking: what the chat template gets.
    text, thought, call: the expected reply; `call` is the name of a tool and its arguments.
    expected: what `Task.is_right` compares a reply with.
    """

    content: str
    messages: list[dict[str, Any]]
    text: str = ""
    thought: str = ""
    call: tuple[str, dict[str, Any]] | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    thinking: bool = False
    expected: Any = None


class Draw:
    """Random choices for one dialogue.

    new_phrases: choose among the phrases that are held out, where a task holds out some.
    part: of the training, 1 to 5, see `generator`.
    """

    def __init__(self, rng: random.Random, new_phrases: bool = False, part: int = 1):
        self.rng = rng
        self.new_phrases = new_phrases
        self.part = part

    def one_of(self, values: Sequence[T]) -> T:
        return values[int(self.rng.random() * len(values))]

    def some_of(self, values: Sequence[T], count: int) -> list[T]:
        """Returns different values, in random order."""
        return self.rng.sample(values, count)

    def name(self, names: Sequence[str]) -> str:
        """Returns one of the names, or sometimes one that nobody has: users have names of all kinds."""
        return self.new_name() if self.chance(NEW_NAME_SHARE) else self.one_of(names)

    def new_name(self) -> str:
        """Returns a name that nobody has."""
        syllables = [
            self.one_of("bdfghjklmnprstvwz") + self.one_of("aeiou") + self.one_of(["", "", "l", "n", "r", "s"])
            for _ in range(self.number(2, 3))
        ]
        return "".join(syllables).capitalize()

    def names(self, names: Sequence[str], count: int) -> list[str]:
        """Returns different names, as `name` does."""
        chosen: dict[str, None] = {}
        while len(chosen) < count:
            chosen[self.name(names)] = None
        return list(chosen)

    def number(self, low: int, high: int) -> int:
        """Returns a number from low to high, both included."""
        return low + int(self.rng.random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def phrase(self, phrases: Sequence[T], num_held_out: int) -> T:
        """Returns one of the phrases. The last `num_held_out` of them never come in training."""
        return self.one_of(phrases[-num_held_out:] if self.new_phrases else phrases[:-num_held_out])


@dataclass(frozen=True)
class Task:
    """A kind of dialogue.

    make: draws a dialogue.
    is_right: whether a reply is right; it sees the dialogue and the reply alone.
    weight: how often the task comes, compared with the others.
    holds_out_phrases: whether some of its phrases never come in training.
    is_formed: whether a reply has the right form, right or not; None where any text has.
    """

    name: str
    make: Callable[[Draw], Dialogue]
    is_right: Callable[[Dialogue, Reply], bool]
    weight: float = 1.0
    holds_out_phrases: bool = False
    is_formed: Callable[[Reply], bool] | None = None


def says_expected(dialogue: Dialogue, reply: Reply) -> bool:
    """Whether the reply has no tool call, and its text is one of `dialogue.expected`, or the only expected one."""
    accepted = dialogue.expected if dialogue.expected is not None else [dialogue.text]
    return not reply.tool_calls and reply.text.strip() in accepted


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}
