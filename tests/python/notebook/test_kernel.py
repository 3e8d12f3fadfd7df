"""A notebook is run: the canvas settles below its cell, objects show themselves, and loading shows a bar."""

import ast
import re
from html.parser import HTMLParser

import nbformat
import pytest
from nbclient import NotebookClient

from gesso.notebook.html import MOST_OPACITY
from python.tiny_model import tiny_model

CELLS = {
    "model": "import sys, gesso\nmodel = gesso.load('mini', 'cpu')\nmodel",
    "generate": """\
prompt = model.tokenizer.apply_chat_template([{"role": "user", "content": "Hello, I am Ada."}], tokenize=True)
steps = gesso.Steps(model)
out = model.generate(prompt, max_new_tokens=64, seed=1, on_step=steps)""",
    "twice": """\
from gesso.notebook import display
display.REFRESH_SECONDS = 1e9
sum = [{"role": "user", "content": "What is 47 + 35?"}]
sum = model.tokenizer.apply_chat_template(sum, enable_thinking=True, tokenize=True)
for seed in (1, 2):
    model.generate(sum, max_new_tokens=64, seed=seed, on_step=steps)
    print(repr(steps[-1].text))
display.REFRESH_SECONDS = 0.1""",
    "steps": "steps",
    "canvas": "steps[0]",
    "result": "out[0]",
    "chat": """\
steps = gesso.Steps(model)
for event in model.chat(max_new_tokens=64).stream("Hello, I am Ada."):
    steps(event)
event.reply""",
    "bar": """\
from gesso.notebook import progress
progress.MOMENT = 0
with progress.reporting("loading <a>\\udcff\\x1b", None, None) as report:
    report(1_000, 4_000)
    report(4_000, 4_000)""",
    "command": "!{sys.executable} -m gesso quantize tiny.gguf bf16.gguf --preset BF16",
    "imported": "print(out[0].text)\n'ipywidgets' in sys.modules, 'rich' in sys.modules",
}


class Spans(HTMLParser):
    """Reads the texts of spans."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.text, self.inside = "", False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "span"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.text += data if self.inside else ""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell shows."""
    folder = tmp_path_factory.mktemp("jupyter")
    tiny_model(folder / "tiny.gguf")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS.values()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        where = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()
    nbformat.validate(notebook)
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def test_objects_show_themselves(outputs):
    shown = {name: [output["data"] for output in outputs[name]] for name in ("model", "steps", "canvas", "result")}
    assert all(len(data) == 1 for data in shown.values())
    html = {name: data[0]["text/html"] for name, data in shown.items()}
    assert "layers" in html["model"] and 'type="radio"' in html["steps"] and 'title="position 0' in html["canvas"]
    assert "finish_reason stop" in html["result"]
    assert shown["steps"][0]["text/plain"].startswith("<gesso.Steps: ")
    for text in html.values():
        assert "<script" not in text and "http" not in text and f"rgba(230,120,0,{MOST_OPACITY})" in text


def test_a_canvas_settles_in_one_place(outputs):
    """Each step has taken the place of the one before, so the last one is left."""
    (shown,) = outputs["generate"]
    assert shown.output_type == "display_data"
    assert shown["data"]["text/plain"].startswith("canvas 1, step ")
    assert Spans(shown["data"]["text/html"]).text == outputs["imported"][0]["text"].rstrip("\n")


def test_each_generation_has_its_place(outputs):
    """Its last step is there, although it came too soon behind the first one."""
    shown = [output["data"] for output in outputs["twice"] if output.output_type == "display_data"]
    printed = "".join(output["text"] for output in outputs["twice"] if output.output_type == "stream").splitlines()
    assert len(shown) == len(printed) == 2
    for data, text in zip(shown, printed, strict=True):
        assert Spans(data["text/html"]).text == ast.literal_eval(text)


def test_events_of_a_chat_show_the_canvas(outputs):
    shown, reply = outputs["chat"]
    assert shown["data"]["text/plain"].startswith("canvas 1, step ")
    assert "Ada" in shown["data"]["text/html"] and "Ada" in reply["data"]["text/html"]


def test_a_bar_is_below_its_cell(outputs):
    (shown,) = outputs["bar"]
    assert (
        "width:100.0%" in shown["data"]["text/html"] and "loading &lt;a&gt;\ufffd\u241b" in shown["data"]["text/html"]
    )
    assert shown["data"]["text/plain"].startswith("loading <a>?\u241b: 100 %  4.0 kB of 4.0 kB")


def test_a_command_shows_its_bar_in_one_line(outputs):
    """A cell gives it a terminal. A bar of several lines would move the cursor up, which notebooks cannot show."""
    text = "".join(output["text"] for output in outputs["command"])
    assert re.search(r"100 %  \S+ kB of", text) and "bits per weight" in text
    assert "\r" in text and not re.search(r"\x1b\[\d*A", text)


def test_widgets_are_not_needed(outputs):
    assert outputs["imported"][-1]["data"]["text/plain"] == "(False, False)"
