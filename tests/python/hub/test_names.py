"""Which texts name a model on a hub, and which files of a repository are a model."""

import pytest

from gesso.hub.choices import Choice, all_models, gguf_models, matching
from gesso.hub.names import HubName, is_safe, parse_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", HubName("org/name")),
        ("org/name-26B_a4.b", HubName("org/name-26B_a4.b")),
        ("o/n/m.gguf", HubName("o/n", "m.gguf")),
        ("o/n/sub/m.gguf", HubName("o/n", "sub/m.gguf")),
        ("a" * 96 + "/" + "b" * 96, HubName("a" * 96 + "/" + "b" * 96)),
    ],
)
def test_names(text, expected):
    assert parse_name(text) == expected and str(expected) == text


NO_NAMES = ["", "/", "name", "org/", "/name", "org//x", "./name", "../name", "org/..", "~/name", "org/.name", "org/-n",
            "org/n.", "a--b/c", "a..b/c", "o/n.git", "o/m.gguf", "o/n.safetensors", "o/n/", "o/n/../x", "o/n//x",
            "o/n\n", "\u00f6/n", "o n/m", "o/" + "n" * 97, "o/n/a\x1bb", "C:\\o/n"]  # fmt: skip


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name(text):
    assert parse_name(text) is None


def test_safe_names():
    assert all(map(is_safe, ["m.gguf", "a/b/c.gguf", "..a", "a b", "\u00e9\u4e2d.gguf"]))
    assert not any(map(is_safe, ["", ".", "..", "/a", "a/", "a/../b", "a\\b", "a\tb", "a\x7f", "a\u2028b", "\ud800"]))


def test_which_files_are_a_model():
    parts = [f"q/m-0000{i}-of-00003.gguf" for i in (3, 1, 2)]
    files = ["b.gguf", *parts, "mmproj-b.gguf", "x/Imatrix.gguf", "A.GGUF", "README.md", "m-00001-of-00002.gguf"]
    found = gguf_models(files)
    assert [model.files for model in found] == [
        ("A.GGUF",), ("b.gguf",), ("m-00001-of-00002.gguf",), tuple(sorted(parts)),
    ]  # fmt: skip
    assert [model.missing for model in found] == [0, 0, 1, 0]
    assert found[3].name == "q/m-00001-of-00003.gguf"
    assert gguf_models(["m-00002-of-00002.gguf"])[0].missing == 1


def test_which_files_are_a_folder():
    files = [
        "config.json",
        "model-2.safetensors",
        "model-1.safetensors",
        "chat_template.jinja",
        "a.bin",
        "x/config.json",
    ]
    (folder,) = all_models(files)
    assert folder.is_folder and folder.name == "model-1.safetensors" and folder.missing == 0
    assert set(folder.files) == {"config.json", "model-2.safetensors", "model-1.safetensors", "chat_template.jinja"}
    assert (
        all_models(["config.json"])
        == all_models(["model.safetensors"])
        == all_models(["x/config.json", *files[1:3]])
        == []
    )


def test_patterns():
    one, two, folder = Choice(("q4/a.gguf",)), Choice(("b-Q8_0.gguf",)), Choice(("config.json", "m.safetensors"), True)
    models = [one, two, folder]
    assert matching(models, None) == [one, two] and matching([folder], None) == [folder]
    assert matching(models, "*Q8_0*") == [two] and matching(models, "*q8_0*") == []
    assert matching(models, "q4/*") == matching(models, "a.gguf") == [one]
    assert matching(models, "*") == models and matching(models, "*.json") == []
    assert matching(models, "*.safetensors") == [folder]
    # A file's path names it alone, and not the file of this name in another folder, too.
    below, top = Choice(("q4/m.gguf",)), Choice(("m.gguf",))
    assert matching([top, below], "m.gguf") == [top] and matching([top, below], "q4/m.gguf") == [below]
    assert matching([top, below], "*m.gguf") == [top, below] and matching([Choice(("M.GGUF",))], "M*") != []
