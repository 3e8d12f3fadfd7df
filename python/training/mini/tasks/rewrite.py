"""Rewriting a sentence or a list with a rule."""

from __future__ import annotations

from collections.abc import Callable

from mini.dialogue import Dialogue, Draw, Task, says_expected, user
from mini.words import ACTIVITIES, ANIMALS, COLOURS, FOODS, NAMES, THINGS

Rule = Callable[[Draw], tuple[str, str, str]]  # returns the content, the request and the answer


def _activity(draw: Draw) -> tuple[str, tuple[str, str, str], str]:
    name = draw.one_of(NAMES)
    present, past, infinitive, things = draw.one_of(ACTIVITIES)
    return name, (present, past, infinitive), draw.one_of(things)


def past(draw: Draw) -> tuple[str, str, str]:
    name, (present, past_form, _), thing = _activity(draw)
    request = draw.one_of(["Put this into the past: {}", "Write in the past: {}", "{} Say this in the past."])
    return f"{name} {present} {thing}", request.format(f"{name} {present} {thing}."), f"{name} {past_form} {thing}."


def negative(draw: Draw) -> tuple[str, str, str]:
    name, (present, _, infinitive), thing = _activity(draw)
    request = draw.one_of(["Say the opposite: {}", "Put a not into this: {}", "Make this negative: {}"])
    answer = f"{name} does not {infinitive} {thing}."
    return f"{name} {present} {thing}", request.format(f"{name} {present} {thing}."), answer


def question(draw: Draw) -> tuple[str, str, str]:
    name, (present, _, infinitive), thing = _activity(draw)
    request = draw.one_of(["Make a question of this: {}", "Turn this into a question: {}"])
    answer = f"Does {name} {infinitive} {thing}?"
    return f"{name} {present} {thing}", request.format(f"{name} {present} {thing}."), answer


def replace(draw: Draw) -> tuple[str, str, str]:
    old, new, other = draw.some_of(ANIMALS, 3)
    name, colour = draw.one_of(NAMES), draw.one_of(COLOURS)
    sentence = draw.one_of(
        ["{name} sees a {colour} {}.", "The {} of {name} is {colour}.", "{name} has a {} and a {other}."]
    )
    request = draw.one_of(
        [
            "Replace {old} with {new}: {sentence}",
            "Write {new} in place of {old}: {sentence}",
            "{sentence} Change {old} to {new}.",
        ]
    )
    before = sentence.format(old, name=name, colour=colour, other=other)
    after = sentence.format(new, name=name, colour=colour, other=other)
    return f"{name} {old} {new}", request.format(old=old, new=new, sentence=before), after


def reverse(draw: Draw) -> tuple[str, str, str]:
    words = draw.some_of(draw.one_of([COLOURS, ANIMALS, FOODS, NAMES, THINGS]), draw.number(3, 5))
    request = draw.one_of(["Reverse this list: {}", "Write this list from back to front: {}"])
    return " ".join(words), request.format(", ".join(words)), ", ".join(reversed(words))


def swap(draw: Draw) -> tuple[str, str, str]:
    first, second = draw.names(NAMES, 2)
    sentence = draw.one_of(["{} helps {}.", "{} calls {}.", "{} is older than {}.", "{} writes to {}.", "{} sees {}."])
    request = draw.one_of(["Swap the names: {}", "Exchange the two names: {}"])
    return f"{first} {second}", request.format(sentence.format(first, second)), sentence.format(second, first)


def capitals(draw: Draw) -> tuple[str, str, str]:
    words = [draw.one_of(COLOURS), draw.one_of(ANIMALS)]
    request = draw.one_of(["Write in capital letters: {}", "Write this in capitals: {}"])
    return " ".join(words), request.format(" ".join(words)), " ".join(words).upper()


RULES: list[Rule] = [past, negative, question, replace, reverse, swap, capitals]


def make(draw: Draw) -> Dialogue:
    rule = draw.one_of(RULES)
    content, request, answer = rule(draw)
    return Dialogue(content=f"rewrite {rule.__name__} {content}", messages=[user(request)], text=answer)


TASK = Task("rewrite", make, says_expected, weight=1.5)
