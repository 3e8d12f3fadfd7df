"""--json: one object on standard output, and the same in all commands. What is no object goes to standard error."""

from __future__ import annotations

import json

import pytest

from gesso.cli.program import main
from gesso.files.short_names import find_bundled
from gesso.measure.subject import from_file
from gesso.measure.text import json_text, visible
from python.tiny_model import tiny_model

TEXT = "the quick brown fox " * 20


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "text.txt").write_text(TEXT)
    return {
        "MODEL": str(tiny_model(folder / "tiny.gguf")),
        "TEXT": str(folder / "text.txt"),
        "OUT": str(folder / "out.gguf"),
    }


def report_of(capsys, names, *arguments):
    """What the command prints, as JSON."""
    assert main([names.get(x, x) for x in arguments]) == 0
    out = capsys.readouterr().out
    report = json.loads(out)
    assert out == json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    return report


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("run", "MODEL", "hi", "--max-new-tokens", "8"), {"model", "text", "ids", "usage", "seconds"}),
        (("inspect", "MODEL"), {"path", "metadata", "types", "memory"}),
        (("inspect", "MODEL", "--check"), {"path", "tensors", "broken"}),
        (("inspect", "--compare", "MODEL", "MODEL", "--canvases", "1"), {"a", "b", "tensors", "logits"}),
        (("devices",), {"devices", "has_cuda"}),
        (("imatrix", "MODEL", "TEXT", "OUT"), {"path", "model", "weights", "canvases"}),
    ],
    ids=lambda x: " ".join(x[:1]) if isinstance(x, tuple) else "",
)
def test_a_command_prints_one_object(capsys, names, arguments, keys):
    assert keys <= report_of(capsys, names, *arguments, "--json").keys()


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_a_short_name_becomes_the_path_of_its_file(capsys, arguments):
    assert report_of(capsys, {}, "inspect", "mini", *arguments, "--json")["path"] == str(find_bundled("mini"))


def test_a_short_name_becomes_the_path_of_its_file_in_records_of_the_bench():
    assert from_file("mini", "none").description["path"] == str(find_bundled("mini"))


def test_a_model_that_is_written(capsys, names, tmp_path):
    """The tensors are those of `gesso inspect --tensors`, and a dry run tells the same."""
    target = str(tmp_path / "q.gguf")
    command = ("quantize", "MODEL", target, "--preset", "Q8_0", "--json")
    planned = report_of(capsys, names, *command, "--dry-run")
    assert (planned["written"], planned["path"], planned["source"]) == (False, target, names["MODEL"])
    report = report_of(capsys, names, *command)
    assert report | {"seconds": 0, "written": False} == planned | {"seconds": 0}
    assert report["bytes"] == sum(x["bytes"] for x in report["tensors"]) < report["source_bytes"]
    inspected = report_of(capsys, names, "inspect", target, "--tensors", "--json")["tensors"]
    written = [{key: x[key] for key in ("name", "type", "shape", "bytes")} for x in report["tensors"]]
    assert sorted(written, key=lambda x: x["name"]) == sorted(inspected, key=lambda x: x["name"])
    assert {x["source_type"] for x in report["tensors"]} == {"F32"}


def test_an_error_leaves_standard_output_empty(capsys, names, tmp_path):
    for arguments in (("inspect", str(tmp_path)), ("quantize", "MODEL", str(tmp_path), "--preset", "Q8_0")):
        assert main([names.get(x, x) for x in (*arguments, "--json")]) == 1
        shown = capsys.readouterr()
        assert shown.out == "" and shown.err.startswith("gesso: ")


def test_json_does_not_control_a_terminal():
    """A terminal may obey U+009B as it obeys ESC [."""
    text = "\x1b[2J\x9b2J\x7f\u00e4\u2028"
    for indent in (2, None):
        written = json_text({text: text}, indent)
        assert visible(written) == written and "\u00e4" in written
        assert json.loads(written) == {text: text}
