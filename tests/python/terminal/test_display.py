"""Text is made safe for a terminal, and the canvas is drawn in place."""

from io import StringIO
from types import SimpleNamespace

import numpy as np
from rich.console import Console

from gesso.measure.text import visible
from gesso.terminal.display import LiveText, cut_at_end
from python.command_line import screen


def test_visible_leaves_nothing_that_a_terminal_obeys():
    every = "".join(map(chr, range(0x300)))
    shown = visible(every)
    assert len(shown) == len(every)
    assert [c for c in shown if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0] == ["\t", "\n"]
    assert visible("\x1b[2J\x9b1m\x7f") == "␛[2J\ufffd1m␡"


def test_cut_at_end():
    assert cut_at_end(np.array([3, 1, 2, 1]), (1, 9)).tolist() == [3]
    assert cut_at_end(np.array([3, 2]), (1,)).tolist() == [3, 2]


TOKENS = ["<eos>", "Hello", " world", "\n", "\x1b[31m", "[bold]", ":smile:", "\x07", "<pad>"]


def live_text(width=40, height=8):
    """Returns a LiveText over TOKENS, and the stream that its console writes to."""
    tokenizer = SimpleNamespace(
        decode=lambda ids, skip_special_tokens: "".join(TOKENS[i] for i in ids),
        native=SimpleNamespace(pad_token_id=TOKENS.index("<pad>")),
    )
    file = StringIO()
    console = Console(
        file=file, force_terminal=True, width=width, height=height, markup=False, emoji=False, color_system="standard"
    )
    return LiveText(console, tokenizer, end_token_ids=[0]), file


def step_event(ids, accepted, step=0):
    return SimpleNamespace(
        canvas=0,
        step=step,
        max_denoising_steps=48,
        mean_entropy=0.25,
        argmax=np.array(ids, np.int32),
        accepted=np.array(accepted, bool),
    )


def test_live_text_shows_accepted_tokens_solid_and_others_dim():
    live, file = live_text(width=80)
    with live:
        live.on_step(step_event([1, 2, 3], [True, False, False]))
    sent = file.getvalue()
    assert "Hello\x1b[2m world↵\x1b[0m" in sent
    assert "canvas 1  step 1/48  mean entropy 0.2500 nats  1/3 accepted" in sent


def test_live_text_drops_what_lies_behind_an_accepted_end_token():
    live, file = live_text()
    with live:
        live.on_step(step_event([1, 0, 2], [True, True, True]))
    assert "Hello" in file.getvalue()
    assert "world" not in file.getvalue()
    live, file = live_text()
    with live:
        live.on_step(step_event([1, 0, 2], [True, False, True]))
    assert "world" in file.getvalue()


def test_live_text_leaves_padding_out():
    live, file = live_text()
    with live:
        live.on_step(step_event([1, 8, 2, 8], [True, True, False, False]))
    assert "world" in file.getvalue() and "<pad>" not in file.getvalue()


def test_text_of_a_model_cannot_steer_the_terminal():
    live, file = live_text()
    with live:
        live.on_step(step_event([4, 5, 6, 7], [True, False, True, True]))
        live.commit("\x1b[31m[bold]:smile:\x07\r\nend")
    sent = file.getvalue()
    assert "␛[31m" in sent
    assert sent.count("[bold]") >= 2
    assert sent.count(":smile:") >= 2
    assert "\x1b[31m" not in sent
    assert "\x07" not in sent


def test_committed_text_scrolls_in_whole_rows():
    live, file = live_text(width=12)
    with live:
        live.commit("one two three ")
        live.commit("four\n\nfive")
        live.commit(" six")
    assert screen(file.getvalue()) == ["one two", "three four", "", "five six", ""]


def test_live_rows_never_exceed_the_terminal():
    live, file = live_text(width=20, height=5)
    with live:
        live.on_step(step_event([2] * 100, [True] * 100))
        before = file.getvalue()
    assert before.count("\n") < 5
