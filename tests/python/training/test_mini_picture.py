"""The picture of a reply that settles."""

from xml.etree import ElementTree

from mini.picture import CERTAIN, COLUMNS, UNCERTAIN, picture, svg

import gesso
from python.tiny_model import tiny_model

SPACE = "{http://www.w3.org/2000/svg}"


def texts(image):
    root = ElementTree.fromstring(image)
    return [[(span.get("fill"), span.text) for span in row.iter(f"{SPACE}tspan")] for row in root.iter(f"{SPACE}text")]


def test_accepted_tokens_are_dark():
    question, step, reply = texts(svg("1 < 2?", [[("ab", True), ("<&", False)], [("yes", True)]]))
    assert question[1] == (CERTAIN, "> 1 < 2?")
    assert [step[0][1].strip(), *step[1:]] == ["step 1", (CERTAIN, "ab"), (UNCERTAIN, "<&")]
    assert [reply[0][1].strip(), *reply[1:]] == ["reply", (CERTAIN, "yes")]


def test_a_long_row_is_cut():
    _, row = texts(svg("?", [[("a" * (COLUMNS - 1), True), ("bcd", False), ("e", True)]]))
    assert row[1:] == [(CERTAIN, "a" * (COLUMNS - 1)), (UNCERTAIN, "b"), (UNCERTAIN, "…")]


def test_there_is_a_row_for_each_step(tmp_path):
    model = gesso.load(tiny_model(tmp_path / "tiny.gguf", max_denoising_steps=3, canvas_length=64), "cpu")
    labels = [row[0][1].strip() for row in texts(picture(model))]
    assert labels == ["", "step 1", "step 2", "step 3", "reply"]
