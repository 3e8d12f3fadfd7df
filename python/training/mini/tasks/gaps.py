"""Filling the gap of a sentence or of a row, and the questions that ask for the same."""

from __future__ import annotations

from mini.dialogue import Dialogue, Draw, Task, says_expected, user
from mini.words import CAPITALS, DAYS, MONTHS, OPPOSITES

REQUESTS = [
    "Fill the gap: {}",
    "{} Fill the gap.",
    "What is missing? {}",
    "Complete this: {}",
    "Fill in the missing word: {}",
]
GAP = "___"


def capital(draw: Draw) -> tuple[str, str, str]:
    country = draw.one_of(list(CAPITALS))
    city = CAPITALS[country]
    if draw.chance(0.5):
        return country, f"The capital of {country} is {{}}.", city
    return f"{country} {city}", f"{city} is the capital of {{}}.", country


def opposite(draw: Draw) -> tuple[str, str, str]:
    pair = draw.one_of(OPPOSITES)
    first, second = pair if draw.chance(0.5) else pair[::-1]
    sentence = draw.one_of([f"The opposite of {first} is {{}}.", f"Not {first} but {{}}."])
    return first, sentence, second


def day(draw: Draw) -> tuple[str, str, str]:
    names = draw.one_of([DAYS, MONTHS])
    place = draw.number(0, len(names) - 1)
    name, after = names[place], names[(place + 1) % len(names)]
    if draw.chance(0.5):
        return f"after {name}", f"After {name} comes {{}}.", after
    return f"before {after}", f"Before {after} comes {{}}.", name


def row(draw: Draw) -> tuple[str, str, str]:
    start, step = draw.number(1, 80), draw.number(1, 5)
    numbers = [str(start + step * i) for i in range(4)]
    hidden = draw.number(1, 2)
    value, numbers[hidden] = numbers[hidden], "{}"
    return f"{start} {step} {hidden}", ", ".join(numbers), value


KINDS = [capital, opposite, day, row, row]


def make(draw: Draw) -> Dialogue:
    kind = draw.one_of(KINDS)
    content, sentence, answer = kind(draw)
    number = draw.number(0, len(REQUESTS) - 1)
    if kind is capital and sentence.endswith("{}.") and draw.chance(0.3):
        prompt, number = f"What is the capital of {content.split()[0]}?" if " is {}" in sentence else "", -1
        if not prompt:
            prompt = f"Of which country is {content.split()[1]} the capital?"
    else:
        prompt = REQUESTS[number].format(sentence.format(GAP))
    # A fact cannot be guessed. What is held out is a fact in the words of one request.
    held_out = f"gap {content}" if kind is row else f"gap {content} {sentence} {number}"
    return Dialogue(content=held_out, messages=[user(prompt)], text=sentence.format(answer))


TASK = Task("gaps", make, says_expected)
