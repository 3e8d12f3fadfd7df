"""The card of the bundled model, docs/mini.md, which `bundle_mini.py` writes.

Its words are in card.md. All its numbers come from the log of the training, from the records of
bench/mini_quality.py, and from the dialogues that these are about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mini.dialogue import Dialogue
from mini.evaluation import NEW_PHRASES, draw_examples
from mini.sizes import Sizes
from mini.tasks import TASKS

Record = Mapping[str, Any]
NUM_LOSSES = 12  # lines of the table of losses
HELD_OUT_PHRASE = "Who are you?"  # the bundled model answers it wrongly
LOSSES = ("loss", "encoder", "held_out", "held_out_encoder")

ABOUT = {
    "small_talk": "greetings, thanks, questions about the model itself",
    "arithmetic": "plus and minus of numbers below 100, mostly with the steps in a thought",
    "passage": "a question about a short text, which may not have the answer",
    "extract": "fields of a sentence as JSON",
    "rewrite": "a sentence or a list by a rule",
    "gaps": "the missing word or number",
    "memory": "what the user has said a turn before",
    "refuse": "what nobody could know: it says so",
    "tool_call": "a question that needs a tool",
    "tool_answer": "what a tool has returned, as a sentence",
    "tool_unused": "tools are offered, and none of them helps",
}
TEMPLATE = Path(__file__).with_name("card.md")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns behind the first one hold numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"


def scored_dialogues(count: int) -> list[Dialogue]:
    """Returns the dialogues of a record, without those of held-out phrases."""
    return [example.dialogue for example in draw_examples(count) if not example.group.endswith(NEW_PHRASES)]


def num_distinct(dialogues: Sequence[Dialogue]) -> int:
    """Returns how many dialogues differ in what the model is given."""
    return len({json.dumps([each.messages, each.tools, each.thinking], sort_keys=True) for each in dialogues})


def task_table(record: Record) -> str:
    rows = []
    for group, found in record["tasks"].items():
        count, formed = found["dialogues"], found.get("formed")
        name, _, rest = group.partition(", ")
        rows.append(
            [
                f"`{name}`{', ' + rest if rest else ''}: {ABOUT[name]}",
                str(count),
                _share(found["right"], count),
                "" if formed is None else _share(formed, count),
                f"{found['steps']:.1f}",
                f"{found['tokens']:.1f}",
            ]
        )
    everything = [
        "all, without new phrases",
        str(record["dialogues"]),
        _share(record["right"], record["dialogues"]),
        "",
    ]
    rows.append([*everything, f"{record['steps_per_canvas']:.1f}", f"{record['tokens_per_canvas']:.1f}"])
    return table(["task", "dialogues", "right", "formed", "steps", "tokens"], rows)


def bar_table(record: Record) -> str:
    rows = []
    for bar in record["bars"]:
        is_share = not bar["name"].startswith("steps")
        value, bound = (f"{x:.1%}" if is_share else f"{x:.2f}" for x in (bar["value"], bar["bound"]))
        rows.append(
            [bar["name"], f"{'at least' if is_share else 'below'} {bound}", value, "yes" if bar["holds"] else "no"]
        )
    return table(["", "bar", "measured", "holds"], rows)


def loss_table(log: Sequence[Mapping[str, float]]) -> str:
    """Some lines of the log with a held-out loss: each about as many times as late as the one before."""
    lines = [line for line in log if "held_out" in line] or list(log)
    places = {round((len(lines)) ** (i / (NUM_LOSSES - 1))) - 1 for i in range(NUM_LOSSES)}
    rows = [
        [f"{lines[i]['step']}", *(f"{lines[i][name]:.3f}" if name in lines[i] else "" for name in LOSSES)]
        for i in sorted(places)
    ]
    return table(["step", "canvas", "encoder", "canvas, held out", "encoder, held out"], rows)


def quality_table(records: Sequence[Record]) -> str:
    rows = [
        [
            record["setting"],
            f"{record['file_bytes'] / 1e6:.2f} MB",
            _share(record["right"], record["dialogues"]),
            f"{record['steps_per_canvas']:.2f}",
            f"{record['tokens_per_canvas'] / record['steps_per_canvas']:.2f}",
        ]
        for record in records
    ]
    return table(["setting", "file", "right", "steps per canvas", "tokens per step"], rows)


def card(
    sizes: Sizes, log: Sequence[Mapping[str, float]], steps: int, cpu_minutes: float, records: Sequence[Record]
) -> str:
    """records: of bench/mini_quality.py, those of the bundled settings first. steps, cpu_minutes: of the weights."""
    first = records[0]
    dialogues = scored_dialogues(first["dialogues"])
    return TEMPLATE.read_text(encoding="utf-8").format(
        layers=sizes.layers,
        hidden=sizes.hidden,
        experts=sizes.experts,
        active=sizes.active_experts,
        canvas=sizes.canvas,
        vocab=sizes.vocab,
        megabytes=first["file_bytes"] / 1e6,
        dialogues=first["dialogues"],
        distinct=num_distinct(dialogues),
        held_out_phrase=HELD_OUT_PHRASE,
        asked=sum(each.messages[-1]["content"] == HELD_OUT_PHRASE for each in dialogues),
        wrong=first["dialogues"] - first["right"],
        num_tasks=len(TASKS),
        steps=steps,
        hours=cpu_minutes / 60,
        tasks=task_table(first),
        bars=bar_table(first),
        losses=loss_table(log),
        default=first["setting"],
        quality=quality_table(records),
    )
