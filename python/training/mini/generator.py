"""Draws dialogues of all tasks, those for training or those that are held out.

A training may have five parts; each goes on with what the one before has not taught. In the second, sums come more
often, and tools are asked about any words. In the third, what is learnt already comes less often. In the fourth, many
dialogues go on: other questions and their answers stand before the question, also those that a tool has answered. The
fifth has more sums of small numbers. What the first part draws, and what is held out, does not depend on them.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Any

from mini.dialogue import Dialogue, Draw, assistant
from mini.split import is_held_out
from mini.tasks import TASKS, small_talk

SYSTEM = ["You are a helpful assistant.", "Answer briefly.", "You are Mini, a small model.", "Be friendly."]
# What a model that may think does first, in the tasks that need no steps.
THOUGHTS = {
    "small_talk": "The user is talking to me.",
    "passage": "I look for it in the text.",
    "extract": "I take the fields from the sentence.",
    "rewrite": "I apply the rule.",
    "gaps": "I look for what is missing.",
    "memory": "I remember what the user has said.",
    "refuse": "I cannot know this.",
    "tool_call": "A tool can answer this.",
    "tool_unused": "No tool can answer this.",
}
SYSTEM_SHARE, HISTORY_SHARE, THINKING_SHARE = 0.1, 0.1, 0.12
NAMES = list(TASKS)
# Of the second and the third part, where a task's weight is another one.
WEIGHTS = {
    2: {"arithmetic": 5.0},
    3: {
        "arithmetic": 9.0,
        "passage": 3.0,
        "extract": 2.5,
        "gaps": 1.5,
        "rewrite": 1.0,
        "small_talk": 0.5,
        "memory": 0.5,
        "refuse": 0.5,
    },
    4: {"arithmetic": 4.0, "passage": 3.0, "extract": 2.0, "tool_call": 3.0, "tool_answer": 2.0, "tool_unused": 1.5},
    5: {"arithmetic": 7.0, "passage": 3.0, "extract": 2.0, "tool_call": 3.0, "tool_answer": 2.0, "tool_unused": 1.5},
}
NUM_PARTS = 5
EARLIER_SHARE = 0.4
WITHOUT_TOOLS = [name for name in TASKS if not name.startswith("tool_")]
BOUNDS = {
    part: list(accumulate(WEIGHTS.get(part, {}).get(name, task.weight) for name, task in TASKS.items()))
    for part in range(1, NUM_PARTS + 1)
}


def _small_talk(draw: Draw) -> Dialogue:
    """Returns small talk that is not held out, for the turns before."""
    while is_held_out((dialogue := small_talk.make(draw)).content):
        pass
    return dialogue


def _earlier_turns(draw: Draw, dialogue: Dialogue) -> list[dict[str, Any]]:
    """Returns another question and its answer. Where tools are offered, one of them has answered it."""
    offered = {tool["function"]["name"] for tool in dialogue.tools}
    while True:
        earlier = TASKS["tool_answer" if offered else draw.one_of(WITHOUT_TOOLS)].make(draw)
        calls = [call for message in earlier.messages for call in message.get("tool_calls", [])]
        if not is_held_out(earlier.content) and {call["function"]["name"] for call in calls} <= offered:
            return [*earlier.messages, assistant(earlier.text)]


def _decorate(draw: Draw, task: str, dialogue: Dialogue) -> None:
    """Adds what every task may have: a thought, turns before it, or a system message."""
    if task in THOUGHTS and draw.chance(THINKING_SHARE):
        dialogue.thinking, dialogue.thought = True, THOUGHTS[task]
    while draw.part >= 4 and draw.chance(EARLIER_SHARE):
        dialogue.messages = [*_earlier_turns(draw, dialogue), *dialogue.messages]
    if draw.chance(HISTORY_SHARE):
        before = _small_talk(draw)
        dialogue.messages = [*before.messages, {"role": "assistant", "content": before.text}, *dialogue.messages]
    if draw.chance(SYSTEM_SHARE):
        dialogue.messages = [{"role": "system", "content": draw.one_of(SYSTEM)}, *dialogue.messages]


def draw_dialogue(
    seed: int,
    index: int,
    *,
    task: str | None = None,
    held_out: bool = False,
    new_phrases: bool = False,
    part: int = 1,
) -> tuple[str, Dialogue]:
    """Returns the name of the task and dialogue number `index` of this seed.

    task: the one task to draw from; None for all, by their weights.
    held_out: the content is held out from training.
    new_phrases: so is the phrase. Only tasks that hold out phrases have such dialogues.
    part: of the training, from 1.
    """
    rng = random.Random(f"{seed} {index}")
    draw = Draw(rng, new_phrases, part)
    name = task or rng.choices(NAMES, cum_weights=BOUNDS[part])[0]
    if new_phrases and not TASKS[name].holds_out_phrases:
        raise ValueError(f"new_phrases: the task {name} holds out no phrases")
    while is_held_out((dialogue := TASKS[name].make(draw)).content) != held_out:
        pass
    _decorate(draw, name, dialogue)
    return name, dialogue
