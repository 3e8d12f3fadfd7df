"""A fact that the user tells in the first turn and asks for in the second."""

from __future__ import annotations

from mini.dialogue import Dialogue, Draw, Task, assistant, says_expected, user
from mini.words import ANIMALS, CITIES, COLOURS, FOODS, JOBS, NAMES, PET_NAMES

# Of each fact: what the user tells, what the model says then, questions, the answer, and the values.
FACTS = [
    (
        ["My name is {x}.", "I am {x}.", "Hi, I am {x}."],
        "Nice to meet you, {x}!",
        ["What is my name?", "Do you remember my name?", "Who am I?"],
        "Your name is {x}.",
        NAMES,
    ),
    (
        ["I live in {x}.", "My home is in {x}."],
        "{x} is a nice place.",
        ["Where do I live?", "In which city do I live?"],
        "You live in {x}.",
        CITIES,
    ),
    (
        ["I work as a {x}.", "I am a {x}."],
        "That is a good job.",
        ["What is my job?", "What do I do?"],
        "You are a {x}.",
        JOBS,
    ),
    (
        ["My favourite colour is {x}.", "I love the colour {x}."],
        "A fine colour!",
        ["What is my favourite colour?", "Which colour do I love?"],
        "Your favourite colour is {x}.",
        COLOURS,
    ),
    (
        ["I like {x}.", "I love {x}."],
        "That sounds good.",
        ["What do I like?", "What did I say I like?"],
        "You like {x}.",
        FOODS,
    ),
    (
        ["My pet is called {x}.", "I have a pet called {x}."],
        "{x} is a nice name.",
        ["What is my pet called?", "What is the name of my pet?"],
        "Your pet is called {x}.",
        PET_NAMES,
    ),
    (
        ["I have a {x}.", "At home I have a {x}."],
        "How nice!",
        ["Which animal do I have?", "What pet do I have?"],
        "You have a {x}.",
        ANIMALS,
    ),
    (
        ["Remember the number {x}.", "Please keep the number {x} in mind."],
        "I will remember it.",
        ["Which number was it?", "What was the number?"],
        "The number was {x}.",
        [str(number) for number in range(10, 1000)],
    ),
]

PROPER = (NAMES, CITIES, PET_NAMES)


def make(draw: Draw) -> Dialogue:
    told = draw.some_of(range(len(FACTS)), draw.number(1, 2))
    values = [draw.name(x) if x in PROPER else draw.one_of(x) for x in (FACTS[fact][4] for fact in told)]
    text = " ".join(draw.one_of(FACTS[fact][0]).format(x=x) for fact, x in zip(told, values, strict=True))
    answer = FACTS[told[-1]][1].format(x=values[-1])
    asked = draw.number(0, len(told) - 1)
    _, _, questions, reply, _ = FACTS[told[asked]]
    content = "memory " + " ".join(values)
    if draw.chance(0.15):  # the first turn alone
        return Dialogue(content, [user(text)], text=answer)
    messages = [user(text), assistant(answer), user(draw.one_of(questions))]
    return Dialogue(content, messages, text=reply.format(x=values[asked]))


TASK = Task("memory", make, says_expected)
