"""Tools: calling one, telling what it has returned, and doing without where none fits."""

from __future__ import annotations

from typing import Any

from gesso.reply import Reply
from mini.dialogue import Dialogue, Draw, Task, says_expected, user
from mini.tasks import refuse, small_talk
from mini.words import ANIMALS, CAPITALS, CITIES, FOODS, JOBS, MONTHS, NAMES, PET_NAMES, PLURALS, TOPICS, WEATHER


def _tool(name: str, description: str, parameter: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {parameter: {"type": "string"}}, "required": [parameter]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = {
    "weather": _tool("weather", "Weather of a city", "city"),
    "calculator": _tool("calculator", "Calculates", "expression"),
    "lookup": _tool("lookup", "Looks up a topic", "topic"),
}
WEATHER_QUESTIONS = [
    "How is the weather in {x}?",
    "What is the weather in {x} like?",
    "Is it raining in {x}?",
    "Weather in {x}, please.",
    "Do I need a coat in {x}?",
    "Tell me the weather in {x}.",
    "Can I go outside in {x}?",
    "Is it a nice day in {x}?",
]
SUMS = [
    "What is {x}?",
    "Calculate {x}.",
    "How much is {x}?",
    "Please calculate {x} for me.",
    "{x} = ?",
    "I need to know {x}.",
    "Work out {x}, please.",
    "Would you work out {x} for me?",
]
LOOKUPS = [
    "What do you know about {x}?",
    "Look up {x}.",
    "Tell me something about {x}.",
    "I want to read about {x}.",
    "Please look up {x} for me.",
    "Explain {x}.",
    "Find out more about {x}.",
    "Can you explain {x} to me?",
]
NUM_HELD_OUT = 2
OTHER_TOPICS = [*ANIMALS, *FOODS, *JOBS, *PLURALS.values(), *MONTHS, *NAMES, *PET_NAMES, *CAPITALS]
FACTS = ["is old", "is famous", "is hard to see", "is well known", "was found long ago", "is studied in many schools"]


def _offered(draw: Draw, name: str | None) -> list[dict[str, Any]]:
    """Returns one or two tools in random order, among them this one."""
    others = [TOOLS[other] for other in draw.some_of([tool for tool in TOOLS if tool != name], draw.number(0, 1))]
    tools = ([TOOLS[name]] if name else []) + others
    draw.rng.shuffle(tools)
    return tools


def _topic(draw: Draw) -> str:
    """Returns what a lookup is about. With few topics a model learns the list, and does not copy what the user says. So
    the second part of a training has other words, too."""
    if draw.part == 1 or draw.chance(0.5):
        return draw.name(TOPICS)
    return draw.one_of(OTHER_TOPICS) if draw.chance(0.5) else draw.new_name().lower() + draw.one_of(["", "s"])


def _question(draw: Draw) -> tuple[str, str, str]:
    """Returns the name of a tool, a question that needs it, and the value of its parameter."""
    name = draw.one_of(list(TOOLS))
    if name == "weather":
        x, phrases = draw.name(CITIES), WEATHER_QUESTIONS
    elif name == "lookup":
        x, phrases = _topic(draw), LOOKUPS
    else:
        x, phrases = f"{draw.number(2, 999)} {draw.one_of('+-*')} {draw.number(2, 99)}", SUMS
    return name, draw.phrase(phrases, NUM_HELD_OUT).format(x=x), x


def _parameter(name: str) -> str:
    (parameter,) = TOOLS[name]["function"]["parameters"]["required"]
    return str(parameter)


def make_call(draw: Draw) -> Dialogue:
    name, question, x = _question(draw)
    call = (name, {_parameter(name): x})
    return Dialogue(f"tool {name} {x}", [user(question)], call=call, tools=_offered(draw, name), expected=call)


def is_formed(reply: Reply) -> bool:
    """Whether the reply is one call that could be read as it stands."""
    return len(reply.tool_calls) == 1 and reply.tool_calls[0].error is None and not reply.tool_calls[0].repaired


def calls_expected(dialogue: Dialogue, reply: Reply) -> bool:
    return is_formed(reply) and (reply.tool_calls[0].name, reply.tool_calls[0].arguments) == dialogue.expected


def _result(draw: Draw, name: str, x: str) -> tuple[str, str]:
    """Returns what a tool says, and how the model tells it."""
    if name == "weather":
        sky, degrees = draw.one_of(WEATHER), draw.number(0, 39)
        return f"{sky}, {degrees} degrees", f"It is {sky} in {x}, {degrees} degrees."
    if name == "calculator":
        a, sign, b = x.split()
        value = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign]
        return str(value), f"{x} = {value}"
    fact = draw.one_of(FACTS)
    return f"It {fact}.", f"About {x}: It {fact}."


def make_answer(draw: Draw) -> Dialogue:
    name, question, x = _question(draw)
    value, text = _result(draw, name, x)
    call = {"type": "function", "function": {"name": name, "arguments": {_parameter(name): x}}}
    messages = [
        user(question),
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": name, "content": value},
    ]
    return Dialogue(f"tool {name} {x}", messages, text=text, tools=_offered(draw, name))


def make_without(draw: Draw) -> Dialogue:
    """A question that no offered tool can answer."""
    if draw.chance(0.5):
        dialogue = small_talk.make(draw)
        dialogue.tools = _offered(draw, None) or [TOOLS["weather"]]
        return dialogue
    dialogue = refuse.make(draw)
    dialogue.tools = [TOOLS[draw.one_of(["calculator", "lookup"])]]
    return dialogue


TASKS = [
    Task("tool_call", make_call, calls_expected, weight=1.5, holds_out_phrases=True, is_formed=is_formed),
    Task("tool_answer", make_answer, says_expected),
    Task("tool_unused", make_without, says_expected, weight=0.5),
]
