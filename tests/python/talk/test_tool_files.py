"""Tools from files: the functions of a Python file, and declarations in JSON."""

import json

import pytest

from gesso.calls.tools import read_tools
from gesso.talk.tool_files import asking, load_tools
from python.expect import raises

FUNCTIONS = '''
from __future__ import annotations
from dataclasses import dataclass
from os.path import join

@dataclass
class Place:
    name: str

def weather(city: str, days: int = 1) -> str:
    """Says the weather.

    Args:
        city: the city's name
    """
    return f"sun in {Place(city).name} for {days}"

def _hidden(x: int) -> int:
    return x
'''
DECLARED = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_functions_of_a_file_are_tools(tmp_path):
    (weather,) = load_tools(write(tmp_path / "tools.py", FUNCTIONS))
    tool = read_tools([weather])["weather"]
    assert tool.declaration["function"]["description"] == "Says the weather."
    assert tool.declaration["function"]["parameters"]["properties"]["city"]["description"] == "the city's name"
    assert tool.answer({"city": "Oslo"}) == "sun in Oslo for 1"


def test_all_names_the_tools(tmp_path):
    found = load_tools(write(tmp_path / "tools.py", f"{FUNCTIONS}\n__all__ = ['_hidden']\n"))
    assert [tool.__name__ for tool in found] == ["_hidden"]


@pytest.mark.parametrize("value", [[DECLARED], {"tools": [DECLARED]}])
def test_declarations_are_tools(tmp_path, value):
    assert load_tools(write(tmp_path / "tools.json", json.dumps(value))) == [DECLARED]


BAD = {
    "tools.txt": ("", "ends with .py or .json"),
    "none.py": ("x = 1\n", "it has no tools"),
    "syntax.py": ("def f(:\n", "cannot be run: SyntaxError"),
    "raises.py": ("1 / 0\n", "cannot be run: ZeroDivisionError: division by zero"),
    "exits.py": ("import sys\nsys.exit(3)\n", "cannot be run: SystemExit: 3"),
    "untyped.py": ("def f(x): pass\n", "f: parameter x: expected a type"),
    "async.py": ("async def f(x: int): pass\n", "expected a plain function"),
    "listed.py": ("__all__ = ['gone']\n", "__all__: the file has no 'gone'"),
    "list.py": ("__all__ = 7\n", "__all__: expected a list of names"),
    "twice.json": (json.dumps([DECLARED, DECLARED]), "two tools of the name 'search'"),
    "number.json": ("7", "expected a list of declarations"),
    "form.json": ('[{"name": "f"}]', r"tools\[0\]: expected"),
    "broken.json": ("[", "no JSON"),
    "deep.json": ("[" * 200_000, "nested too deep"),
    "empty.json": ("[]", "it has no tools"),
}


@pytest.mark.parametrize(("name", "text", "problem"), [(name, *bad) for name, bad in BAD.items()])
def test_bad_files_are_refused_by_name(tmp_path, name, text, problem):
    with raises(ValueError, f"{name}: .*{problem}"):
        load_tools(write(tmp_path / name, text))


def test_a_function_runs_only_if_it_is_allowed(tmp_path):
    (weather,) = load_tools(write(tmp_path / "tools.py", FUNCTIONS))
    asked = []

    def allows(name, arguments):
        asked.append((name, arguments))
        return len(asked) > 1

    tool = read_tools([asking(weather, allows)])["weather"]
    assert tool.declaration == read_tools([weather])["weather"].declaration
    assert tool.answer({"town": "Oslo"})["error"].startswith("wrong arguments")
    assert tool.answer({"city": "Oslo"}) == {"error": "PermissionError: the user does not allow this call"}
    assert tool.answer({"city": "Oslo"}) == "sun in Oslo for 1"
    assert asked == [("weather", {"city": "Oslo"})] * 2
    assert asking(DECLARED, allows) is DECLARED


def test_what_a_file_prints_is_no_text_of_the_model(tmp_path, capsys):
    source = 'print("loaded")\ndef end(status: int) -> str:\n    print("ending")\n    raise SystemExit(status)\n'
    (end,) = load_tools(write(tmp_path / "tools.py", source))
    answer = read_tools([asking(end, lambda *_: True)])["end"].answer({"status": 3})
    assert answer == {"error": "RuntimeError: it tried to end the program, with 3"}
    assert capsys.readouterr() == ("", "loaded\nending\n")
