"""Plus and minus of numbers below 100. A model that thinks takes the tens first, and then the ones."""

from __future__ import annotations

import re

from gesso.reply import Reply
from mini.dialogue import Dialogue, Draw, Task, user
from mini.words import NAMES, PLURALS, THINGS

PLUS = [
    "What is {a} + {b}?",
    "{a} + {b} = ?",
    "What is {a} plus {b}?",
    "Please add {a} and {b}.",
    "Calculate {a} + {b}.",
    "How much is {a} plus {b}?",
    "I need the sum of {a} and {b}.",
    "Can you tell me what {a} + {b} is?",
    "Give me the sum of {a} and {b}, please.",
    "Do you know how much {a} + {b} is?",
]
MINUS = [
    "What is {a} - {b}?",
    "{a} - {b} = ?",
    "What is {a} minus {b}?",
    "Please take {b} from {a}.",
    "Calculate {a} - {b}.",
    "How much is {a} minus {b}?",
    "Take away {b} from {a}.",
    "Can you tell me what {a} - {b} is?",
    "What remains of {a} without {b}?",
    "Do you know how much {a} - {b} is?",
]
PLUS_STORIES = [
    "{name} has {a} {things} and gets {b} more. How many {things} does {name} have now?",
    "There are {a} {things} in the box. {name} adds {b}. How many {things} are there now?",
    "{name} buys {a} {things} and then {b} more. How many {things} are that?",
    "{name} finds {a} {things} today and {b} tomorrow. How many {things} does {name} find?",
]
MINUS_STORIES = [
    "{name} has {a} {things} and gives away {b}. How many {things} does {name} have now?",
    "There are {a} {things} in the box. {name} takes {b}. How many {things} are there now?",
    "{name} had {a} {things} and lost {b}. How many {things} are left?",
    "{name} sells {b} of {a} {things}. How many {things} remain?",
]
NUM_HELD_OUT = 2  # phrases of the questions
NUM_HELD_OUT_STORIES = 1


def steps(a: int, b: int, sign: str) -> str:
    """Returns the steps, for example "34 + 20 = 54. 54 + 7 = 61." Parts of b that are zero make no step."""
    lines, value = [], a
    for part in (b // 10 * 10, b % 10):
        if part or (b == 0 and not lines):
            result = value + part if sign == "+" else value - part
            lines.append(f"{value} {sign} {part} = {result}.")
            value = result
    return " ".join(lines)


def _numbers(draw: Draw) -> tuple[int, int]:
    """Of numbers that are drawn evenly, one pair in a hundred has one digit each. People ask for 1 + 1 first, so the
    fifth part of a training has more of these."""
    if draw.part >= 5 and draw.chance(0.25):
        return draw.number(0, 9), draw.number(0, 9)
    return draw.number(0, 99), draw.number(0, 99)


def make(draw: Draw) -> Dialogue:
    sign = draw.one_of("+-")
    a, b = _numbers(draw)
    if sign == "-" and a < b:
        a, b = b, a
    result = a + b if sign == "+" else a - b
    if draw.chance(0.3):
        name, things = draw.one_of(NAMES), PLURALS[draw.one_of(THINGS)]
        phrase = draw.phrase(PLUS_STORIES if sign == "+" else MINUS_STORIES, NUM_HELD_OUT_STORIES)
        question = phrase.format(name=name, things=things, a=a, b=b)
        text = f"{result} {things}."
    else:
        question = draw.phrase(PLUS if sign == "+" else MINUS, NUM_HELD_OUT).format(a=a, b=b)
        text = f"{a} {sign} {b} = {result}"
    thinking = draw.chance(0.75)
    return Dialogue(
        content=f"arithmetic {a}{sign}{b}",
        messages=[user(question)],
        thinking=thinking,
        thought=steps(a, b, sign) if thinking else "",
        text=text,
        expected=result,
    )


def is_right(dialogue: Dialogue, reply: Reply) -> bool:
    """The last number of the text must be the result, and each equation of the text must hold."""
    numbers = re.findall(r"\d+", reply.text)
    equations = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", reply.text)
    hold = all(int(a) + (1 if sign == "+" else -1) * int(b) == int(c) for a, sign, b, c in equations)
    return not reply.tool_calls and hold and bool(numbers) and int(numbers[-1]) == dialogue.expected


TASK = Task("arithmetic", make, is_right, weight=2.0, holds_out_phrases=True)
