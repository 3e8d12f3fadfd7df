"""The bundled model "mini": its file, its card, and that what it says makes sense.

Its scores are in bench/results/mini_quality.json, so these tests hold for better weights without a change. Those that
need a good model are skipped where the record says that a bar does not hold.
"""

import json
import math
import re
from pathlib import Path

import pytest
from mini.card import HELD_OUT_PHRASE, card
from mini.evaluation import ask, draw_examples, of_known_phrases, score
from mini.sizes import Sizes
from safetensors.numpy import load_file

import gesso
from gesso.bundled.mini_model import QUESTIONS, TOOL_RESULT, WEATHER
from gesso.files.gguf_reader import read_gguf
from gesso.files.short_names import bundled_models
from gesso.reply import ReplyDecoder
from python.command_line import run

ROOT = Path(__file__).resolve().parents[3]
TRAINED = ROOT / "python/training/mini/trained"
RECORDS = json.loads((ROOT / "bench/results/mini_quality.json").read_text(encoding="utf-8"))
SHARE = RECORDS[0]["right"] / RECORDS[0]["dialogues"]
COUNT = 33
needs_sense = pytest.mark.skipif(
    not all(bar["holds"] for bar in RECORDS[0]["bars"]), reason="the bundled weights do not hold all bars of their card"
)


@pytest.fixture(scope="module")
def model():
    return gesso.load("mini", "cpu")


def reply_to(model, text, *, messages=(), tools=None, thinking=False, **options):
    prompt = model.tokenizer.apply_chat_template(
        [*messages, {"role": "user", "content": text}], tools=tools, enable_thinking=thinking, tokenize=True
    )
    return model.generate(prompt, **options)[0]


def test_the_file_is_as_published_ones(model):
    file = bundled_models()["mini"]
    assert file.stat().st_size <= 8_000_000
    gguf = read_gguf(file)
    assert gguf.values["general.license"] == "apache-2.0"
    assert gguf.values["general.name"] == "Mini"
    matrices = [x for x in gguf.tensors() if len(x.shape) > 1 and not x.name.endswith("ffn_gate_inp.weight")]
    assert {x.dtype for x in matrices} == {"Q8_0"}
    assert all(x.shape[-1] % 256 == 0 for x in matrices if "ffn_down_exps" not in x.name)  # K-quants fit
    assert model.config.canvas_length == Sizes().canvas
    assert model.tokenizer.chat_template is not None


@pytest.mark.skipif(not TRAINED.is_dir(), reason="a source distribution has no trained weights")
def test_the_card_is_that_of_the_weights_and_the_records():
    weights = load_file(TRAINED / "weights.safetensors")
    log = [json.loads(line) for line in (TRAINED / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = card(Sizes(), log, int(weights["step"]), float(weights["cpu_minutes"]), RECORDS)
    assert (ROOT / "docs/mini.md").read_text(encoding="utf-8") == expected
    assert RECORDS[0]["file_bytes"] == bundled_models()["mini"].stat().st_size


def test_the_model_is_as_good_as_its_card_says(model):
    """A few questions: so few right ones come with a probability below 0.001 if the card is right."""
    examples = draw_examples(COUNT)
    right = of_known_phrases(score(examples, ask(model, examples))).right
    chances = [math.comb(COUNT, k) * SHARE**k * (1 - SHARE) ** (COUNT - k) for k in range(COUNT + 1)]
    assert sum(chances[: right + 1]) >= 0.001


def test_the_model_answers_the_held_out_phrase_as_its_card_says(model):
    """With weights that answer it, other words must stand in card.md."""
    examples = [
        x for x in draw_examples(RECORDS[0]["dialogues"]) if x.dialogue.messages[-1]["content"] == HELD_OUT_PHRASE
    ]
    scores = score(examples, ask(model, examples)).values()
    assert sum(len(each.wrong) for each in scores) == len(examples)
    expected = f'"{HELD_OUT_PHRASE}" is one of them, and {len(examples)} dialogues'
    assert expected in (ROOT / "docs/mini.md").read_text(encoding="utf-8")


def test_the_example_of_the_card_runs(capsys):
    (example,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/mini.md").read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(example, "mini.md", "exec"), {})
    assert re.search(r" in \d+ steps\n$", capsys.readouterr().out)


@needs_sense
def test_the_demo_makes_sense():
    status, out, err = run("demo", "mini", "--threads", "1")
    assert (status, err) == (0, "")
    expected = [
        r"Hello Ada! How can I help you\?",
        r"47 \+ 35 = 82",
        r"Carla is a pilot\.",
        r'\{"name": "Dana", "city": "Oslo"\}',
        r"Emma does not paint a boat\.",
        r"Lisbon is a nice place\.",
        r"Your favourite colour is green\.",
        r"I do not know the weather in Lisbon\.",
    ]
    *parts, last = re.split(r"^> ", out, flags=re.MULTILINE)[1:]
    found = [part.strip().splitlines()[-1] for part in parts]
    matching = [bool(re.fullmatch(pattern, reply)) for pattern, reply in zip(expected, found, strict=True)]
    assert sum(matching) >= len(expected) - 1, found  # the bars allow a wrong one
    assert f"[weather: {TOOL_RESULT}]\nIt is sunny in Lisbon, 24 degrees." in last


@needs_sense
def test_a_thought_comes_before_the_text_and_in_pieces(model):
    result = reply_to(model, "What is 30 + 20?", thinking=True)
    assert result.reply.thought == "30 + 20 = 50."
    assert result.reply.text == "30 + 20 = 50"
    decoder = ReplyDecoder(model.tokenizer)
    events = [event for token in result.ids for event in decoder.push([token])] + decoder.flush()
    assert type(result.reply).from_events(events) == result.reply


@needs_sense
def test_a_tool_is_called_and_its_result_told(model):
    question = "Tell me the weather in Madrid."
    call = reply_to(model, question, tools=[WEATHER]).reply
    assert [(each.name, each.arguments, each.repaired) for each in call.tool_calls] == [
        ("weather", {"city": "Madrid"}, False)
    ]
    messages = [{"role": "user", "content": question}, call.message()]
    messages.append({"role": "tool", "name": "weather", "content": "cloudy, 12 degrees"})
    prompt = model.tokenizer.apply_chat_template(messages, tools=[WEATHER], tokenize=True)
    assert model.generate(prompt)[0].text == "It is cloudy in Madrid, 12 degrees."
    assert not reply_to(model, question).reply.tool_calls  # without the tool


@needs_sense
def test_a_pinned_token_stays_and_the_rest_fits(model):
    question = "Extract name and city as JSON: Dana is 34 years old, lives in Oslo and works as a nurse."
    free = reply_to(model, question)
    assert json.loads(free.text) == {"name": "Dana", "city": "Oslo"}
    (dana,), (emma,) = (model.tokenizer.encode(name, parse_special=False) for name in ("Dana", "Emma"))
    pinned = reply_to(model, question, pinned={free.ids.index(dana): emma})
    assert json.loads(pinned.text) == {"name": "Emma", "city": "Oslo"}


@needs_sense
def test_replies_take_few_steps(model):
    results = [reply_to(model, question.text, thinking=question.thinking) for question in QUESTIONS]
    assert sum(sum(result.denoising_steps) for result in results) < sum(len(result.ids) + 1 for result in results) / 2
