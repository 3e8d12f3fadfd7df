"""Scores of a model on dialogues that are held out from training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean

import gesso
from gesso.result import Result
from mini.dialogue import Dialogue, Task
from mini.generator import draw_dialogue
from mini.tasks import TASKS

SEED = 20_000


@dataclass
class Score:
    """What a model made of one task's dialogues. Its counts are shares of them, from 0 to 1.

    formed: replies of the right form, where the task asks for one.
    steps, tokens: denoising steps and tokens of a reply, on average.
    """

    right: float
    formed: float | None
    steps: float
    tokens: float
    wrong: list[tuple[Dialogue, Result]] = field(repr=False)


def prompt_ids(model: gesso.Model, dialogue: Dialogue) -> list[int]:
    """Returns the ids of a dialogue as any user of the package gets them."""
    assert model.tokenizer is not None
    ids: list[int] = model.tokenizer.apply_chat_template(
        dialogue.messages, tools=dialogue.tools or None, enable_thinking=dialogue.thinking, tokenize=True
    )
    return ids


def score(model: gesso.Model, task: Task, count: int, *, new_phrases: bool = False, **options: float) -> Score:
    """Lets a model answer `count` held-out dialogues of a task. options: generation options."""
    drawn = (draw_dialogue(SEED, i, task=task.name, held_out=True, new_phrases=new_phrases) for i in range(count))
    dialogues = [dialogue for _, dialogue in drawn]
    prompts = [prompt_ids(model, dialogue) for dialogue in dialogues]
    limit = model.config.canvas_length
    results = []
    for result in model.generate_many(prompts, seed=range(count), max_new_tokens=limit, **options):
        if isinstance(result, Exception):
            raise result
        results.append(result)
    return judge(task, dialogues, results)


def judge(task: Task, dialogues: list[Dialogue], results: list[Result]) -> Score:
    replies = []
    for result in results:
        assert result.reply is not None
        replies.append(result.reply)
    right = [task.is_right(dialogue, reply) for dialogue, reply in zip(dialogues, replies, strict=True)]
    formed = fmean(task.is_formed(reply) for reply in replies) if task.is_formed else None
    return Score(
        right=fmean(right),
        formed=formed,
        steps=fmean(sum(result.denoising_steps) for result in results),
        tokens=fmean(len(result.ids) + 1 for result in results),  # with the end token
        wrong=[(d, r) for d, r, ok in zip(dialogues, results, right, strict=True) if not ok],
    )


def score_all(model: gesso.Model, count: int, **options: float) -> Iterator[tuple[str, Score]]:
    """Yields the name and the score of each task, and then of those with phrases that are held out, too."""
    for name, task in TASKS.items():
        yield name, score(model, task, count, **options)
    for name, task in TASKS.items():
        if task.holds_out_phrases:
            yield f"{name}, new phrases", score(model, task, count, new_phrases=True, **options)
