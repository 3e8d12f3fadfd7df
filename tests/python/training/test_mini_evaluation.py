"""How replies of the small model "mini" become scores."""

from dataclasses import replace

import pytest
from mini.evaluation import HAS_OWN_BAR, NEW_PHRASES, Answer, bars, draw_examples, of_known_phrases, record, score
from mini.rendering import reply_text
from mini.split import is_held_out
from mini.tasks import TASKS

from gesso.reply import parse_reply

COUNT = 40


def perfect(examples, steps=2):
    """Answers that are the expected ones, of ten tokens and the end token each."""
    return [Answer([5] * 10, parse_reply(reply_text(example.dialogue)), steps) for example in examples]


@pytest.fixture(scope="module")
def examples():
    return draw_examples(COUNT)


def test_examples_are_spread_over_the_tasks(examples):
    known = [example for example in examples if not example.group.endswith(NEW_PHRASES)]
    assert len(known) == COUNT
    assert {example.group for example in known} == TASKS.keys()
    counts = [sum(example.group == name for example in known) for name in TASKS]
    assert max(counts) - min(counts) == 1
    assert {example.group for example in examples} - TASKS.keys() == {
        f"{name}{NEW_PHRASES}" for name, task in TASKS.items() if task.holds_out_phrases
    }
    assert all(is_held_out(example.dialogue.content) for example in examples)
    assert examples == draw_examples(COUNT)


def test_expected_replies_hold_all_bars(examples):
    scores = score(examples, perfect(examples))
    assert all(bar.holds for bar in bars(scores))
    found = record(scores)
    assert (found["right"], found["dialogues"]) == (COUNT, COUNT)
    assert (found["steps_per_canvas"], found["tokens_per_canvas"]) == (2, 11)
    assert found["tasks"]["extract"]["formed"] == found["tasks"]["extract"]["dialogues"]
    assert not any(each.wrong for each in scores.values())


@pytest.mark.parametrize(
    ("group", "failing"),
    [
        ("tool_call", {"well-formed tool calls"}),
        ("arithmetic", {"arithmetic right"}),
        ("extract", {"JSON valid", "JSON right"}),
        ("refuse", set()),  # one of the eight tasks of ordinary replies
    ],
)
def test_a_task_that_fails_breaks_its_bar_alone(examples, group, failing):
    answers = perfect(examples)
    for place, example in enumerate(examples):
        if example.group == group:
            answers[place] = replace(answers[place], reply=parse_reply("I am a teapot."))
    scores = score(examples, answers)
    assert {bar.name for bar in bars(scores) if not bar.holds} == failing
    assert len(scores[group].wrong) == scores[group].dialogues
    assert of_known_phrases(scores).right == COUNT - scores[group].dialogues


def test_tasks_with_bars_of_their_own_are_not_ordinary(examples):
    answers = [
        replace(answer, reply=parse_reply("No.")) if example.group in HAS_OWN_BAR else answer
        for example, answer in zip(examples, perfect(examples), strict=True)
    ]
    holding = {bar.name for bar in bars(score(examples, answers)) if bar.holds}
    assert holding == {"ordinary replies right", "steps per token"}


def test_two_ordinary_tasks_that_fail_break_theirs(examples):
    answers = [
        replace(answer, reply=parse_reply("No.")) if example.group in ("refuse", "gaps") else answer
        for example, answer in zip(examples, perfect(examples), strict=True)
    ]
    assert [bar.name for bar in bars(score(examples, answers)) if not bar.holds] == ["ordinary replies right"]


def test_half_as_many_steps_as_tokens_are_too_many(examples):
    scores = score(examples, [Answer([5] * 9, answer.reply, 5) for answer in perfect(examples)])
    assert [(bar.name, bar.value) for bar in bars(scores) if not bar.holds] == [("steps per token", 0.5)]


def test_new_phrases_count_for_no_bar(examples):
    answers = [
        replace(answer, reply=parse_reply("No.")) if example.group.endswith(NEW_PHRASES) else answer
        for example, answer in zip(examples, perfect(examples), strict=True)
    ]
    scores = score(examples, answers)
    assert all(bar.holds for bar in bars(scores))
    assert scores[f"arithmetic{NEW_PHRASES}"].right == 0
