"""Scores of a model on dialogues that are held out from training.

`draw_examples` chooses the dialogues, `ask` lets a model answer them, `score` judges its answers, and `bars` compares
the scores with what the model is meant to reach. The reference's answers are judged in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gesso
from gesso.reply import Reply
from mini.dialogue import Dialogue, Task
from mini.generator import draw_dialogue
from mini.tasks import TASKS

SEED = 20_000
NEW_PHRASES = ", new phrases"
HAS_OWN_BAR = ("arithmetic", "extract", "tool_call")


@dataclass(frozen=True)
class Example:
    """A dialogue to answer.

    group: the name of its task; where the phrase is held out, too, `NEW_PHRASES` follows it.
    seed: of the draws of the reply.
    """

    group: str
    task: Task
    dialogue: Dialogue
    seed: int


@dataclass(frozen=True)
class Answer:
    """A model's reply. ids: in front of its end token. steps: denoising steps."""

    ids: list[int]
    reply: Reply
    steps: int


@dataclass
class Score:
    """What a model made of a group of dialogues.

    right, formed: how many replies are right, and how many have the right form where the task asks for one.
    steps, tokens: of all replies together; the end token counts.
    wrong: what is not right.
    """

    dialogues: int = 0
    right: int = 0
    formed: int | None = None
    steps: int = 0
    tokens: int = 0
    wrong: list[tuple[Example, Answer]] = field(default_factory=list, repr=False)

    def add(self, example: Example, answer: Answer) -> None:
        is_right = example.task.is_right(example.dialogue, answer.reply)
        self.dialogues += 1
        self.right += is_right
        if example.task.is_formed is not None:
            self.formed = (self.formed or 0) + example.task.is_formed(answer.reply)
        self.steps += answer.steps
        self.tokens += len(answer.ids) + 1
        if not is_right:
            self.wrong.append((example, answer))

    def figures(self) -> dict[str, Any]:
        """Returns what a record of the score has."""
        counts = {"dialogues": self.dialogues, "right": self.right}
        if self.formed is not None:
            counts["formed"] = self.formed
        means = {"steps": self.steps / self.dialogues, "tokens": self.tokens / self.dialogues}
        return counts | {name: round(value, 2) for name, value in means.items()}


def together(scores: Iterable[Score]) -> Score:
    """Returns the score of several groups, without what is formed."""
    sums = Score()
    for score in scores:
        sums.dialogues += score.dialogues
        sums.right += score.right
        sums.steps += score.steps
        sums.tokens += score.tokens
    return sums


@dataclass(frozen=True)
class Bar:
    """What the model is meant to reach. `most` says whether the bound is an upper one."""

    name: str
    value: float
    bound: float
    most: bool = False

    @property
    def holds(self) -> bool:
        return self.value < self.bound if self.most else self.value >= self.bound


def draw_examples(count: int) -> list[Example]:
    """Draws `count` dialogues whose content is held out, as many of each task, and then those of held-out phrases."""
    examples = []
    for place, task in enumerate(TASKS.values()):
        num = count // len(TASKS) + (place < count % len(TASKS))
        examples += [_example(task, i) for i in range(num)]
    for task in TASKS.values():
        if task.holds_out_phrases:
            examples += [_example(task, i, new_phrases=True) for i in range(-(-count // len(TASKS)))]
    return examples


def _example(task: Task, index: int, *, new_phrases: bool = False) -> Example:
    _, dialogue = draw_dialogue(SEED, index, task=task.name, held_out=True, new_phrases=new_phrases)
    return Example(task.name + (NEW_PHRASES if new_phrases else ""), task, dialogue, index)


def prompt_ids(model: gesso.Model, dialogue: Dialogue) -> list[int]:
    """Returns the ids of a dialogue as any user of the package gets them."""
    assert model.tokenizer is not None
    ids: list[int] = model.tokenizer.apply_chat_template(
        dialogue.messages, tools=dialogue.tools or None, enable_thinking=dialogue.thinking, tokenize=True
    )
    return ids


def ask(model: gesso.Model, examples: Sequence[Example], **options: Any) -> Iterator[Answer]:
    """Yields a model's answer to each example. options: generation options."""
    prompts = (prompt_ids(model, example.dialogue) for example in examples)
    seeds = [example.seed for example in examples]
    for result in model.generate_many(prompts, seed=seeds, max_new_tokens=model.config.canvas_length, **options):
        if isinstance(result, Exception):
            raise result
        assert result.reply is not None
        yield Answer(result.ids, result.reply, sum(result.denoising_steps))


def score(examples: Iterable[Example], answers: Iterable[Answer]) -> dict[str, Score]:
    """Returns the score of each group."""
    scores: dict[str, Score] = {}
    for example, answer in zip(examples, answers, strict=True):
        scores.setdefault(example.group, Score()).add(example, answer)
    return scores


def of_known_phrases(scores: dict[str, Score]) -> Score:
    """Returns the score of all tasks, without the dialogues whose phrases are held out."""
    return together(score for group, score in scores.items() if not group.endswith(NEW_PHRASES))


def bars(scores: dict[str, Score]) -> list[Bar]:
    calls, sums, json = scores["tool_call"], scores["arithmetic"], scores["extract"]
    ordinary = together(scores[name] for name in TASKS if name not in HAS_OWN_BAR)
    everything = of_known_phrases(scores)
    return [
        Bar("well-formed tool calls", (calls.formed or 0) / calls.dialogues, 0.95),
        Bar("arithmetic right", sums.right / sums.dialogues, 0.90),
        Bar("JSON valid", (json.formed or 0) / json.dialogues, 0.95),
        Bar("JSON right", json.right / json.dialogues, 0.85),
        Bar("ordinary replies right", ordinary.right / ordinary.dialogues, 0.85),
        Bar("steps per token", everything.steps / everything.tokens, 0.5, most=True),
    ]


def record(scores: dict[str, Score]) -> dict[str, Any]:
    """Returns the scores as JSON has them: of all tasks together, the bars, and of each group."""
    everything = of_known_phrases(scores).figures()
    return {
        "dialogues": everything["dialogues"],
        "right": everything["right"],
        "steps_per_canvas": everything["steps"],
        "tokens_per_canvas": everything["tokens"],
        "bars": [
            {"name": bar.name, "value": round(bar.value, 4), "bound": bar.bound, "holds": bar.holds}
            for bar in bars(scores)
        ],
        "tasks": {group: score.figures() for group, score in scores.items()},
    }
