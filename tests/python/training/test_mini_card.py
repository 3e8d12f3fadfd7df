"""The card of the small model "mini": its numbers are those of the records."""

import json

from mini.card import HELD_OUT_PHRASE, card, loss_table, num_distinct, scored_dialogues
from mini.dialogue import Dialogue, user
from mini.evaluation import Answer, draw_examples, record, score
from mini.rendering import reply_text
from mini.sizes import Sizes

from gesso.reply import parse_reply

LOG = [{"step": 50 * i, "loss": 4 / i, "encoder": 1.0} for i in range(1, 200)]


def records():
    examples = draw_examples(22)
    answers = [Answer([5] * 10, parse_reply(reply_text(example.dialogue)), 3) for example in examples]
    answers[0] = Answer([5] * 10, parse_reply("Hm."), 3)
    found = record(score(examples, answers))
    return [{"setting": name, "file_bytes": 7_654_321, **found} for name in ("as bundled", "Q4_K_M")]


def test_a_card_has_the_numbers_of_its_records():
    text = card(Sizes(), LOG, 9950, 123.0, json.loads(json.dumps(records())))
    assert "| `small_talk`: greetings, thanks, questions about the model itself | 2 | 50.0% |  | 3.0 | 11.0 |" in text
    assert "| `tool_call`, new phrases: a question that needs a tool | 2 | 100.0% | 100.0% | 3.0 | 11.0 |" in text
    assert "| all, without new phrases | 22 | 95.5% |  | 3.0 | 11.0 |" in text
    assert "| ordinary replies right | at least 85.0% | 93.8% | yes |" in text
    assert "| steps per token | below 0.50 | 0.27 | yes |" in text
    assert "| Q4_K_M | 7.65 MB | 95.5% | 3.00 | 3.67 |" in text
    assert "9950 steps and 2.0 hours" in " ".join(text.split())
    assert "22 of the 22 dialogues differ" in text and f'"{HELD_OUT_PHRASE}" is one of them, and 1 dialogues' in text
    assert "all tasks together have 1 wrong replies" in text
    assert '"content": "Extract name' in text  # braces of the example are no placeholders


def test_dialogues_differ_in_what_the_model_is_given():
    given = {"messages": [user("Hello!")], "tools": [], "thinking": False}
    others = [given, given | {"thinking": True}, given | {"tools": [{"type": "function"}]}]
    dialogues = [
        Dialogue(str(i), **each) for i, each in enumerate([*others, given | {"messages": [user("Hi!")]}, given])
    ]
    assert num_distinct(dialogues) == 4
    assert len(scored_dialogues(220)) == 220 > num_distinct(scored_dialogues(220))


def test_a_table_of_losses_has_the_first_and_the_last():
    lines = loss_table(LOG).splitlines()
    assert lines[2] == "| 50 | 4.000 | 1.000 |  |  |"
    assert lines[-1].startswith("| 9950 | 0.020 |")
    assert len(lines) == 2 + 12
    assert len(loss_table(LOG[:3]).splitlines()) == 2 + 3
    held_out = [line | ({"held_out": 2.0} if line["step"] % 200 == 0 else {}) for line in LOG]
    assert loss_table(held_out).splitlines()[2] == "| 200 | 1.000 | 1.000 | 2.000 |  |"
