"""The fuzz program finds nothing now, and it finds faults that are planted."""

from dataclasses import replace

import pytest

from fuzz import fuzz_tool_calls
from gesso.calls import tool_call
from gesso.calls.reader import Reader, Source

parse_calls = tool_call.parse_calls


def raising(raw, *given):
    return parse_calls(raw, *given) if "'" not in raw else [].pop()


def dropping(raw, *given):
    return [call for call in parse_calls(raw, *given) if call.error is None]


def arguments_in_the_name(raw, *given):
    return [replace(call, name=raw[5:]) if call.error else call for call in parse_calls(raw, *given)]


def never_repaired(raw, *given):
    return [replace(call, repaired=False) for call in parse_calls(raw, *given)]


def odd_keys(raw, *given):
    return [replace(call, arguments={"a": [{"b,c": 1}]}) for call in parse_calls(raw, *given) if not call.error]


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.setattr(Source, "match", Source.match)  # the program replaces them; afterwards they are as before
    monkeypatch.setattr(Source, "search", Source.search)
    monkeypatch.setattr(Source, "find", Source.find)
    return fuzz_tool_calls.fuzz


def test_nothing_is_found(fuzz, capsys):
    assert fuzz(seconds=0.5, seed=1) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (raising, "IndexError"),
        (dropping, "the calls have all text"),
        (arguments_in_the_name, "no arguments in the name"),
        (never_repaired, "got"),
        (odd_keys, "the key 'b,c' is a word"),
    ],
)
def test_a_planted_fault_is_found(fuzz, monkeypatch, capsys, fault, said):
    monkeypatch.setattr(tool_call, "parse_calls", fault)
    monkeypatch.setattr(fuzz_tool_calls, "parse_calls", fault)
    assert fuzz(seconds=60, seed=1) == 1
    out = capsys.readouterr().out
    assert said in out and "\ninput: " in out


def test_work_that_is_not_linear_is_found(fuzz, monkeypatch, capsys):
    read_key = Reader.read_key

    def wasteful(self):
        for at in range(len(self.text)):
            self.source.find("no such token", at)
        return read_key(self)

    monkeypatch.setattr(Reader, "read_key", wasteful)
    assert fuzz(seconds=60, seed=1) == 1
    assert "linear work" in capsys.readouterr().out
