"""The Python examples of the documents run without changes, one after the other."""

import re
from pathlib import Path

from python.tiny_model import tiny_model

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"


def examples_of(document):
    return re.findall(r"^```python\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    examples = examples_of(README)
    assert len(examples) >= 5
    tiny_model(tmp_path / "model.gguf")
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(compile(example, README.name, "exec"), names)
    out, config, word = names["out"], names["model"].config, names["word"]
    assert out.canvases[0][0][config.canvas_length - len(word) :].tolist() == word
    assert names["session"].length > len(names["first"].sequences[0]) + len(names["second"].sequences[0])


def test_the_example_of_the_page_on_c_runs(tmp_path, monkeypatch, capsys):
    (example,) = examples_of(ROOT / "docs/c_api.md")
    tiny_model(tmp_path / "model.gguf")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "c_api.md", "exec"), {})
    assert capsys.readouterr().out.startswith("[2, ")  # <bos>


def test_the_example_of_the_page_on_files_runs():
    (example,) = examples_of(ROOT / "docs/files.md")
    names = {}
    exec(compile(example, "files.md", "exec"), names)
    assert (names["stored"].shape, names["error"].shape) == ((4, 144), (4, 256))
