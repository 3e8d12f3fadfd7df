"""Fields of a sentence as JSON."""

from __future__ import annotations

import json
from typing import Any

from gesso.reply import Reply
from mini.dialogue import Dialogue, Draw, Task, user
from mini.words import CITIES, COLOURS, DAYS, JOBS, NAMES, PLURALS, THINGS

# Each kind of record: its sentences, and where its fields come from.
PERSON = [
    "{name} is {age} years old, lives in {city} and works as a {job}.",
    "{name}, {age}, is a {job} from {city}.",
    "The {job} {name} is {age} and comes from {city}.",
]
ORDER = [
    "{name} orders {count} {colour} {item} for {day}.",
    "An order for {day}: {count} {colour} {item} for {name}.",
    "On {day} {name} buys {count} {colour} {item}.",
]
VISIT = [
    "{name} meets {friend} in {city} on {day}.",
    "On {day} {name} will see {friend} in {city}.",
    "{day}: {name} and {friend} meet in {city}.",
]
REQUESTS = [
    "Extract {fields} as JSON: {sentence}",
    "{sentence}\nGive me {fields} as JSON.",
    "Write {fields} as JSON.\n{sentence}",
    "Make a JSON object with {fields}: {sentence}",
]


def _record(draw: Draw) -> tuple[list[str], dict[str, Any]]:
    name, friend = draw.names(NAMES, 2)
    kind = draw.number(0, 2)
    if kind == 0:
        age, city, job = draw.number(10, 99), draw.name(CITIES), draw.one_of(JOBS)
        return PERSON, {"name": name, "age": age, "city": city, "job": job}
    if kind == 1:
        item, colour = PLURALS[draw.one_of(THINGS)], draw.one_of(COLOURS)
        count, day = draw.number(2, 99), draw.one_of(DAYS)
        return ORDER, {"name": name, "count": count, "colour": colour, "item": item, "day": day}
    return VISIT, {"name": name, "friend": friend, "city": draw.name(CITIES), "day": draw.one_of(DAYS)}


def make(draw: Draw) -> Dialogue:
    sentences, record = _record(draw)
    keys = draw.some_of(list(record), draw.number(2, 3))
    fields = ", ".join(keys[:-1]) + " and " + keys[-1]
    sentence = draw.one_of(sentences).format(**record)
    wanted = {key: record[key] for key in keys}
    return Dialogue(
        content="extract " + " ".join(str(value) for value in record.values()),
        messages=[user(draw.one_of(REQUESTS).format(fields=fields, sentence=sentence))],
        text=json.dumps(wanted),
        expected=wanted,
    )


def is_formed(reply: Reply) -> bool:
    """Whether the text is JSON."""
    try:
        json.loads(reply.text)
    except ValueError:
        return False
    return not reply.tool_calls


def is_right(dialogue: Dialogue, reply: Reply) -> bool:
    return is_formed(reply) and bool(json.loads(reply.text) == dialogue.expected)


TASK = Task("extract", make, is_right, weight=1.5, is_formed=is_formed)
