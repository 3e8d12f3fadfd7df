"""What `gesso demo mini` asks the small bundled model that talks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MINI = "mini"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": CITY}}
TOOL_RESULT = "sunny, 24 degrees"  # what the only tool returns


@dataclass(frozen=True)
class Question:
    """What a user says, and what the model is given with it.

    goes_on: whether it belongs to the conversation of the question before.
    """

    text: str
    thinking: bool = False
    tools: Sequence[dict[str, Any]] = ()
    goes_on: bool = False


QUESTIONS = [
    Question("Hello, I am Ada."),
    Question("What is 47 + 35?", thinking=True),
    Question("Ben lives in Rome. Carla is a pilot. Ben has a dog.\nWhat is the job of Carla?"),
    Question("Extract name and city as JSON: Dana is 34 years old, lives in Oslo and works as a nurse."),
    Question("Make this negative: Emma paints a boat."),
    Question("My favourite colour is green. I live in Lisbon."),
    Question("What is my favourite colour?", goes_on=True),
    Question("How is the weather in Lisbon?"),
    Question("How is the weather in Lisbon?", tools=[WEATHER]),
]
