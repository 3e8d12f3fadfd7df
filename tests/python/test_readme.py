"""The Python examples of README.md run, one after the other, as they are printed there."""

import re
from pathlib import Path

from python.tiny_model import tiny_model

README = Path(__file__).parents[2] / "README.md"


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    examples = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 5
    tiny_model(tmp_path / "model.gguf")
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(compile(example, README.name, "exec"), names)
    out, config, word = names["out"], names["model"].config, names["word"]
    assert out.canvases[0][0][config.canvas_length - len(word) :].tolist() == word
    assert names["session"].length > len(names["first"].sequences[0]) + len(names["second"].sequences[0])
