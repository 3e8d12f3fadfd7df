"""What notebooks show: whole HTML that is escaped and self-contained, with colours that follow the confidence."""

import copy
import dataclasses
import pickle
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import gesso
from gesso.calls.tool_call import ToolCall
from gesso.notebook.canvas import _texts
from gesso.notebook.html import LEGEND, MOST_OPACITY, MOST_STEPS, NUM_LEVELS, STYLE, level, page, safe, steps_html
from gesso.result import MOST_SHOWN
from python.tiny_model import tiny_model

TAGS = {"style", "div", "span", "table", "tr", "td", "details", "summary", "input", "label", "hr"}
VOID = {"input", "hr"}
ATTRIBUTES = {"class", "dir", "title", "type", "name", "id", "for", "checked", "style"}
HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</div></style>&lt;",
    "\x1b[31m\x00\x85",
    "a\u202eb\u2066c\u200fd",
    "\ud800",
]


class Page(HTMLParser):
    """Reads a page and holds it to what pages may have. `texts` has (classes, text) of each span and other element."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        html.encode()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS and {name for name, _ in attrs} <= ATTRIBUTES, (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        assert self.open, data
        if self.open[-1][0] != "style":
            self.texts.append((self.open[-1][1].get("class"), data))

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def text(self):
        return "".join(text for _, text in self.texts)


def canvas(tokens=("a", "b", "c"), entropies=(0.0, 0.7, 5.0), accepted=(True, True, False), **changes):
    values = {"sequence": 0, "canvas": 0, "step": 0, "max_denoising_steps": 4, "mean_entropy": 1.5} | changes
    return gesso.Canvas(
        **{"length": len(tokens), "ids": tuple(range(len(tokens)))} | values,
        tokens=tuple(tokens),
        entropies=tuple(entropies),
        accepted=tuple(accepted),
    )


def result(text="hello", reply=None, ids=(1, 2)):
    usage = gesso.Usage(3, 0, 2)
    return gesso.Result(list(ids), text, reply, np.zeros((1, 4), np.int32), [3], "stop", usage, 7, 0.7)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf", max_denoising_steps=3)
    return gesso.load(path, "cpu")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_others_is_text(text):
    reply = gesso.Reply(text, text, [ToolCall("f", {}, text)])
    shown = Page(canvas([text] * 3)._repr_html_()).text
    assert shown.count(Page(f"<div>{safe(text)}</div>").text) == 3
    steps = Page(page(steps_html([canvas([text] * 3)])))
    assert steps.text.count(Page(f"<div>{safe(text)}</div>").text) == 3
    for item in (reply, result(text), result(text, reply), gesso.GenerationOutput((result(text),), False, None)):
        assert Page(f"<div>{safe(text)}</div>").text in Page(item._repr_html_()).text
    assert Page(gesso.StreamEvent(text, "", 0, 0, 1, 0.0)._repr_html_()).text == Page(f"<div>{safe(text)}</div>").text


def test_what_cannot_be_seen_is_made_visible():
    assert safe("\x1b\u202e\u2066\u200e\ud800") == "\u241b[U+202E][U+2066][U+200E]\ufffd"
    assert (
        safe("\u05e9\u05dc\u05d5\u05dd \U0001f468\u200d\U0001f469")
        == "\u05e9\u05dc\u05d5\u05dd \U0001f468\u200d\U0001f469"
    )


def test_nothing_comes_from_outside():
    assert not re.search(r"url|import|http|//|@", STYLE)


def test_mathematics_is_not_set():
    classes = Page(result("$\\href{http://a}{b}$")._repr_html_()).elements[1][1]["class"]
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(classes.split())


def test_the_level_falls_with_the_entropy():
    levels = [level(x) for x in np.linspace(0, 8, 100)]
    assert levels == sorted(levels, reverse=True) and set(levels) == set(range(NUM_LEVELS))
    assert level(float("nan")) == level(float("inf")) == 0


def test_the_colour_falls_with_the_level():
    opacities = [float(x) for x in re.findall(r"\.gesso-\d\{background:rgba\(230,120,0,([\d.]+)\)\}", STYLE)]
    assert len(opacities) == NUM_LEVELS and opacities == sorted(set(opacities), reverse=True)
    assert (opacities[0], opacities[-1]) == (MOST_OPACITY, 0)


def tokens_of(html):
    return [(classes, text) for classes, text in Page(html).texts if classes and re.match(r"gesso-\d", classes)]


def test_tokens_have_the_classes_of_their_confidence():
    tokens = tokens_of(canvas()._repr_html_())
    assert tokens == [("gesso-9", "a"), ("gesso-4", "b"), ("gesso-0 gesso-open", "c")]
    titles = [attrs["title"] for _, attrs in Page(canvas()._repr_html_()).elements if "title" in attrs]
    assert titles[1] == "position 1, id 1, entropy 0.7000 nats"


def test_tokens_that_look_alike_share_a_span():
    steps = steps_html([canvas("abcd", (0.0, 0.01, 3, 3), (True, True, False, False))])
    assert tokens_of(steps) == [("gesso-9", "ab"), ("gesso-0 gesso-open", "cd")]


def test_a_line_break_is_a_break_when_it_is_accepted():
    assert tokens_of(canvas("\n\n", (0, 0), (True, False))._repr_html_()) == [
        ("gesso-9", "\n"),
        ("gesso-9 gesso-open", "\u21b5"),
    ]


def test_nothing_is_drawn_behind_an_accepted_end():
    for html in (canvas(length=1)._repr_html_(), steps_html([canvas(length=1)])):
        assert [text for _, text in tokens_of(html)] == ["a"]
    assert canvas(length=2).text == "ab"


def test_steps_can_be_gone_through_without_a_script():
    canvases = [canvas(step=i) for i in range(3)]
    shown = Page(steps_html(canvases))
    inputs = [attrs for tag, attrs in shown.elements if tag == "input"]
    labels = [attrs["for"] for tag, attrs in shown.elements if tag == "label"]
    assert len({x["name"] for x in inputs}) == 1 and [x["id"] for x in inputs] == labels
    assert ["checked" in x for x in inputs] == [False, False, True]
    other = Page(steps_html(canvases))
    assert not {x.get("name") for _, x in other.elements} & {inputs[0]["name"]}
    for rule in (".gesso-steps>div{display:none", ".gesso-steps>input:checked+label+div{display:block}"):
        assert rule in STYLE


@pytest.mark.parametrize("count", [MOST_STEPS, MOST_STEPS + 1, 3 * MOST_STEPS])
def test_of_many_steps_some_are_shown_and_the_last(count):
    shown = Page(steps_html([canvas(step=i) for i in range(count)]))
    numbers = [int(text) for tag, text in shown.texts if tag is None and text.isdigit()]
    assert len(numbers) <= MOST_STEPS + 1 and numbers[0] == 1 and numbers[-1] == count
    assert (f"{len(numbers)} of {count} steps" in shown.text) == (len(numbers) < count)
    assert LEGEND in shown.text


def test_of_a_large_batch_the_first_results_are_shown():
    output = gesso.GenerationOutput((result(),) * (MOST_SHOWN + 2), False, None)
    assert Page(output._repr_html_()).text.count("hello") == MOST_SHOWN
    assert "and 2 more" in Page(output._repr_html_()).text


def test_a_result_shows_its_parts():
    shown = Page(result("t", gesso.Reply("why", "because", [ToolCall("f", {}, "call:f{}")]))._repr_html_()).text
    assert all(
        part in shown
        for part in ("why", "because", "call:f{}", "finish_reason stop", "denoising steps 3", "2 tokens", "seed 7")
    )
    assert "[1, 2]" in Page(result(None)._repr_html_()).text


def test_a_model_shows_itself(model):
    text = Page(model._repr_html_()).text
    assert f"{model.config.num_hidden_layers}, hidden size {model.config.hidden_size}" in text
    assert f"{model.num_threads} threads, int8" in text and "chat templateyes" in text
    assert f"{model.config.canvas_length} tokens, at most 3 steps" in text


def test_steps_are_recorded(model):
    steps, events = gesso.Steps(model), []

    def on_step(event):
        steps(event)
        events.append(event)

    model.generate(["one", "two"], max_new_tokens=2 * model.config.canvas_length, seed=[1, 2], on_step=on_step)
    assert len(steps) == len(events) > 4
    for step, event in zip(steps, events, strict=True):
        assert (step.sequence, step.canvas, step.step) == (event.sequence, event.canvas, event.step)
        assert list(step.ids) == event.argmax.tolist() and list(step.entropies) == event.entropies.tolist()
        assert len(step.tokens) == len(step.accepted) == len(step.ids)
        Page(step._repr_html_())
    assert steps[:2] == [steps[0], steps[1]] and repr(steps) == f"<gesso.Steps: {len(steps)} steps>"
    assert all(len(repr(step)) < 130 and ("sequence 2" in repr(step)) == step.sequence for step in steps)
    Page(steps._repr_html_())
    model.generate("three", max_new_tokens=1, on_step=steps)  # the steps of the generation before are forgotten
    assert {step.sequence for step in steps} == {0} and len(steps) <= 3


def test_a_canvas_ends_at_an_accepted_end_token(model):
    steps = gesso.Steps(model)
    end = model.config.end_token_ids[0]
    model.generate("one", max_new_tokens=1, pinned={2: end}, on_step=steps)
    assert all(step.length <= 2 for step in steps)


@pytest.mark.parametrize(("accepted", "length"), [(True, 1), (False, 3)])
def test_an_end_token_may_still_go_away(accepted, length):
    event = SimpleNamespace(
        sequence=0,
        canvas=0,
        step=0,
        max_denoising_steps=4,
        mean_entropy=1.5,
        argmax=np.array([5, 1, 6]),
        accepted=np.array([True, accepted, True]),
        entropies=np.zeros(3, np.float32),
    )
    assert gesso.Canvas.from_step(event, None, {1}).length == length


def test_events_of_a_stream_have_the_canvas(model):
    steps, events = gesso.Steps(model), list(model.stream("one", max_new_tokens=1))
    for event in events:
        steps(event)
        Page(event._repr_html_())
    assert pickle.loads(pickle.dumps(events)) == events and copy.deepcopy(events) == events
    assert dataclasses.asdict(events[0])["settling"]["ids"] == steps[0].ids
    assert steps[0]._repr_html_() == events[0]._repr_html_()
    assert len(steps) == sum(event.settling is not None for event in events) > 0
    assert events[-1].settling is None and events[-1].result.ids == list(steps[-1].ids[:1])


def test_a_model_without_a_tokenizer_shows_ids(tmp_path):
    bare = gesso.load(tiny_model(tmp_path / "bare.gguf", tokenizer=False), "cpu")
    steps = gesso.Steps(bare)
    out = bare.generate([5, 6], max_new_tokens=2, on_step=steps)
    assert steps[-1].tokens[0].strip() == str(steps[-1].ids[0])
    assert str(out[0].ids) in Page(out._repr_html_()).text
    assert "chat templateno" in Page(bare._repr_html_()).text


def test_no_steps_yet(model):
    assert "No steps yet" in Page(gesso.Steps(model)._repr_html_()).text


def test_half_a_character_stands_at_its_last_token(model):
    ids = model.tokenizer.encode("a\U0001f600b")
    texts = _texts(ids, model.tokenizer.native)
    assert "".join(texts) == "a\U0001f600b" and len(texts) == len(ids)
