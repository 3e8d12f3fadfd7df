"""Questions that nobody could answer without more knowledge: the reply says so."""

from __future__ import annotations

from mini.dialogue import Dialogue, Draw, Task, says_expected, user
from mini.words import CITIES, DAYS, NAMES

# Each question, and what the model says.
KINDS = [
    (
        ["What is the phone number of {name}?", "Can you give me the phone number of {name}?"],
        "I do not know the phone number of {name}.",
    ),
    (["How old is {name}?", "What is the age of {name}?"], "I do not know how old {name} is."),
    (["Where is {name} now?", "Do you know where {name} is?"], "I do not know where {name} is."),
    (["What did {name} do on {day}?", "What will {name} do on {day}?"], "I do not know what {name} does on {day}."),
    (
        ["How is the weather in {city}?", "What is the weather in {city} like?", "Will it rain in {city} on {day}?"],
        "I do not know the weather in {city}.",
    ),
    (["Who won the game in {city}?", "Who won the match in {city} on {day}?"], "I do not know who won in {city}."),
    (["What time is it in {city}?", "How late is it in {city}?"], "I do not know the time in {city}."),
    (
        ["What does {name} think of {other}?", "Does {name} like {other}?"],
        "I do not know what {name} thinks of {other}.",
    ),
]


def make(draw: Draw) -> Dialogue:
    questions, answer = draw.one_of(KINDS)
    name, other = draw.names(NAMES, 2)
    slots = {"name": name, "other": other, "city": draw.name(CITIES), "day": draw.one_of(DAYS)}
    text = answer.format(**slots)
    return Dialogue(content=f"refuse {text}", messages=[user(draw.one_of(questions).format(**slots))], text=text)


TASK = Task("refuse", make, says_expected)
