"""The dialogues of the small model "mini": their seeds, what is held out, and the checkers of replies."""

import json
import random
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from mini import words
from mini.dialogue import Draw
from mini.generator import draw_dialogue
from mini.rendering import TEMPLATE, prompt_text, reply_text
from mini.split import is_held_out
from mini.tasks import TASKS, arithmetic, tools

import gesso.templates.chat_template
from gesso.reply import parse_reply
from gesso.templates.messages import prepare_messages
from gesso.tokenizer import DEFAULTS

COUNT = 150
ALL = list(TASKS)


def dialogues(task, count=COUNT, seed=7, **options):
    return [draw_dialogue(seed, i, task=task, **options)[1] for i in range(count)]


def expected_reply(dialogue):
    return parse_reply(reply_text(dialogue))


def test_the_same_seed_gives_the_same_dialogues():
    first, again, other = ([draw_dialogue(seed, i) for i in range(60)] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_dialogue_depends_on_its_number_alone():
    in_order = [draw_dialogue(3, i) for i in range(20)]
    assert [draw_dialogue(3, i) for i in reversed(range(20))] == in_order[::-1]


def test_all_tasks_come_by_their_weights():
    names = [draw_dialogue(5, i)[0] for i in range(3000)]
    total = sum(task.weight for task in TASKS.values())
    for name, task in TASKS.items():
        assert names.count(name) / len(names) == pytest.approx(task.weight / total, rel=0.35), name


@pytest.mark.parametrize("task", ALL)
def test_held_out_contents_never_come_in_training(task):
    trained = {d.content for d in dialogues(task, 1000)}
    held_out = {d.content for d in dialogues(task, 60, held_out=True)}
    assert held_out and trained.isdisjoint(held_out)
    assert all(map(is_held_out, held_out)) and not any(map(is_held_out, trained))


PHRASES = {
    "arithmetic": [
        *arithmetic.PLUS[-arithmetic.NUM_HELD_OUT :],
        *arithmetic.MINUS[-arithmetic.NUM_HELD_OUT :],
        *arithmetic.PLUS_STORIES[-arithmetic.NUM_HELD_OUT_STORIES :],
        *arithmetic.MINUS_STORIES[-arithmetic.NUM_HELD_OUT_STORIES :],
    ],
    "tool_call": [
        phrase
        for phrases in (tools.WEATHER_QUESTIONS, tools.SUMS, tools.LOOKUPS)
        for phrase in phrases[-tools.NUM_HELD_OUT :]
    ],
}


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.holds_out_phrases])
def test_held_out_phrases_never_come_in_training(task):
    patterns = [re.sub(r"\\{\w+\\}", ".+", re.escape(phrase)) for phrase in PHRASES[task]]

    def is_new(dialogue):
        return any(re.fullmatch(pattern, dialogue.messages[-1]["content"]) for pattern in patterns)

    assert not any(map(is_new, dialogues(task, 1000)))
    assert all(map(is_new, dialogues(task, 60, held_out=True, new_phrases=True)))


def test_a_task_without_held_out_phrases_says_so():
    with pytest.raises(ValueError, match="the task refuse holds out no phrases"):
        draw_dialogue(1, 1, task="refuse", new_phrases=True)


@pytest.mark.parametrize("task", ALL)
def test_the_expected_reply_is_right(task):
    for dialogue in dialogues(task):
        reply = expected_reply(dialogue)
        assert TASKS[task].is_right(dialogue, reply), reply_text(dialogue)
        assert TASKS[task].is_formed is None or TASKS[task].is_formed(reply)
        assert bool(reply.thought) == dialogue.thinking


def corrupted(text, rng):
    """Changes a digit, or else a letter."""
    places = [i for i, c in enumerate(text) if c.isdigit()] or [i for i, c in enumerate(text) if c.isalpha()]
    place = rng.choice(places[-2:])
    other = rng.choice([c for c in ("0123456789" if text[place].isdigit() else "xyzq") if c != text[place]])
    return text[:place] + other + text[place + 1 :]


@pytest.mark.parametrize("task", ALL)
def test_a_corrupted_reply_is_wrong(task):
    rng = random.Random(1)
    for dialogue in dialogues(task):
        reply = expected_reply(dialogue)
        if dialogue.call is None:
            wrong = replace(reply, text=corrupted(reply.text, rng))
        else:
            wrong = parse_reply(corrupted(reply_text(dialogue).split("<tool_call|>")[0], rng) + "<tool_call|>")
        assert not TASKS[task].is_right(dialogue, wrong), wrong


@pytest.mark.parametrize("task", ALL)
def test_the_reply_of_another_dialogue_is_wrong(task):
    """A checker that accepts any well-formed reply would pass all other tests."""
    found = dialogues(task)
    swapped = pairwise(found)
    judged = [TASKS[task].is_right(a, expected_reply(b)) for a, b in swapped if a.content != b.content]
    assert sum(judged) < len(judged) / 4


def test_the_steps_of_sums_are_right():
    for dialogue in dialogues("arithmetic"):
        for a, sign, b, result in re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", dialogue.thought):
            assert int(a) + (1 if sign == "+" else -1) * int(b) == int(result)
        if dialogue.thought:
            assert dialogue.thought.endswith(f"= {dialogue.expected}.")


def test_numbers_of_sums_are_below_100():
    numbers = {int(n) for d in dialogues("arithmetic", 2000) for n in re.findall(r"\d+", d.content)}
    assert numbers == set(range(100))


def test_json_is_what_was_asked_for():
    for dialogue in dialogues("extract"):
        asked = dialogue.messages[-1]["content"]
        assert all(key in asked for key in json.loads(dialogue.text))


@pytest.mark.parametrize("task", ALL)
def test_plain_jinja_renders_what_the_package_renders(task):
    compiled = gesso.templates.chat_template.compile_chat(TEMPLATE.read_text(encoding="utf-8"))
    for dialogue in dialogues(task, 12):
        given = {"tools": dialogue.tools or None, "enable_thinking": dialogue.thinking}
        variables = {**DEFAULTS, **given, "messages": prepare_messages(dialogue.messages)}
        assert prompt_text(dialogue) == "".join(
            [gesso.templates.chat_template.render(compiled, variables, {"bos_token": "<bos>"})]
        )


def test_the_second_part_has_more_sums_and_any_topics():
    first, second = ([draw_dialogue(5, i, part=part) for i in range(3000)] for part in (1, 2))
    sums = [sum(name == "arithmetic" for name, _ in drawn) for drawn in (first, second)]
    assert 1.6 < sums[1] / sums[0] < 2.6

    def topics(drawn):
        calls = [d.call for name, d in drawn if name == "tool_call" and d.call[0] == "lookup"]
        return {arguments["topic"] for _, arguments in calls} - set(words.TOPICS)

    assert any(topic in words.ANIMALS for topic in topics(second))
    assert not any(topic in words.ANIMALS for topic in topics(first))
    assert any(topic.islower() and topic not in tools.OTHER_TOPICS for topic in topics(second))
    assert not any(is_held_out(dialogue.content) for _, dialogue in second)


def test_in_the_fourth_part_questions_have_others_before_them():
    third, fourth = ([draw_dialogue(5, i, part=part) for i in range(3000)] for part in (3, 4))

    def questions(dialogue):
        return sum(message["role"] == "user" for message in dialogue.messages)

    several = [sum(questions(dialogue) > 1 for _, dialogue in drawn) for drawn in (third, fourth)]
    assert several[1] / several[0] > 2
    earlier_calls = 0
    for _, dialogue in fourth:
        offered = {tool["function"]["name"] for tool in dialogue.tools}
        calls = [call["function"]["name"] for message in dialogue.messages for call in message.get("tool_calls", [])]
        assert {*calls} <= offered
        earlier_calls += len(calls) > (dialogue.messages[-1]["role"] == "tool")
    assert earlier_calls > 100


def test_the_fifth_part_has_more_sums_of_small_numbers():
    def small(part):
        drawn = [draw_dialogue(5, i, task="arithmetic", part=part)[1].content for i in range(400)]
        return sum(bool(re.fullmatch(r"arithmetic \d[+-]\d", content)) for content in drawn)

    assert small(4) < 20 < 60 < small(5)


def test_draws_of_a_number_have_both_ends():
    draw = Draw(random.Random(0))
    assert {draw.number(2, 5) for _ in range(200)} == {2, 3, 4, 5}
