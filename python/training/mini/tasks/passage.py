"""Questions about a short text. Some ask for what the text does not say."""

from __future__ import annotations

from mini.dialogue import Dialogue, Draw, Task, says_expected, user
from mini.words import ANIMALS, CITIES, COLOURS, FOODS, JOBS, NAMES, PET_NAMES

# Of each kind of fact: how the text says it, how one asks for it, and the answer.
FACTS = {
    "city": (
        ["{name} lives in {x}.", "{name} comes from {x}."],
        ["Where does {name} live?", "In which city does {name} live?"],
        "{name} lives in {x}.",
        CITIES,
    ),
    "job": (
        ["{name} works as a {x}.", "{name} is a {x}."],
        ["What is the job of {name}?", "What does {name} do?"],
        "{name} is a {x}.",
        JOBS,
    ),
    "food": (
        ["{name} likes {x}.", "{name} loves {x}."],
        ["What does {name} like?", "What does {name} like to eat or drink?"],
        "{name} likes {x}.",
        FOODS,
    ),
    "animal": (
        ["{name} has a {x}."],
        ["Which animal does {name} have?", "What pet does {name} have?"],
        "{name} has a {x}.",
        ANIMALS,
    ),
    "pet": (
        ["The pet of {name} is called {x}."],
        ["What is the pet of {name} called?", "What is the name of the pet of {name}?"],
        "The pet of {name} is called {x}.",
        PET_NAMES,
    ),
    "car": (
        ["The car of {name} is {x}.", "{name} drives a {x} car."],
        ["What colour is the car of {name}?", "Which colour does the car of {name} have?"],
        "The car of {name} is {x}.",
        COLOURS,
    ),
}
PROPER = ("city", "pet")  # facts whose values are names
LAYOUTS = ["{text}\n{question}", "{text} {question}", "Read this: {text}\n{question}", "{question}\n{text}"]
UNKNOWN = "The text does not say that."


def make(draw: Draw) -> Dialogue:
    people = draw.names(NAMES, draw.number(1, 3))
    stated: list[tuple[str, str, str]] = []  # a person, a kind of fact, its value
    for name in people:
        for kind in draw.some_of(list(FACTS), draw.number(1, 2)):
            values = FACTS[kind][3]
            stated.append((name, kind, draw.name(values) if kind in PROPER else draw.one_of(values)))
    sentences = [draw.one_of(FACTS[kind][0]).format(name=name, x=x) for name, kind, x in stated]
    draw.rng.shuffle(sentences)
    if draw.chance(0.85):
        name, kind, x = draw.one_of(stated)
        answer = FACTS[kind][2].format(name=name, x=x)
    else:
        name = draw.one_of(people)
        kind = draw.one_of([kind for kind in FACTS if (name, kind) not in {(n, k) for n, k, _ in stated}])
        x, answer = "", UNKNOWN
    question = draw.one_of(FACTS[kind][1]).format(name=name)
    prompt = draw.one_of(LAYOUTS).format(text=" ".join(sentences), question=question)
    return Dialogue(content=f"passage {name} {kind} {x}", messages=[user(prompt)], text=answer)


TASK = Task("passage", make, says_expected, weight=1.5)
