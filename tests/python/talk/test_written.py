"""What a user writes is read: messages of one or more lines, and commands."""

import pytest

from gesso.talk.commands import ACTIONS
from gesso.talk.written import COMMANDS, is_unfinished, read_written, unquoted
from python.expect import raises


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["hi"], (None, "hi")),
        (["one\\", "two\\", "three"], (None, "one\ntwo\nthree")),
        (["C:\\\\"], (None, "C:\\\\")),
        (['"""', "one", "", "/two", '"""'], (None, "one\n\n/two")),
        (['"""one', 'two""" and more'], (None, "one\ntwo and more")),
        (['"""one"""'], (None, "one")),
        (['"""/help"""'], (None, "/help")),
        (["//help"], (None, "/help")),
        (["/help"], ("help", "")),
        (["/exit"], ("quit", "")),
        (["/set  steps 12 "], ("set", "steps 12")),
        (['/system """be', 'brief"""'], ("system", "be\nbrief")),
        (["/system be \\", "brief"], ("system", "be \nbrief")),
        (["a / b"], (None, "a / b")),
    ],
)
def test_lines_make_a_message_or_a_command(lines, expected):
    for count in range(1, len(lines)):
        assert is_unfinished("\n".join(lines[:count]))
    text = "\n".join(lines)
    assert not is_unfinished(text)
    assert read_written(text) == expected


def test_an_end_of_the_input_ends_a_message():
    assert read_written('"""one\ntwo') == (None, "one\ntwo")


@pytest.mark.parametrize(
    ("text", "hint"), [("/stat", r"did you mean /stats\?"), ("/etc/passwd is", "/help lists them"), ("/", "/help")]
)
def test_a_command_that_does_not_exist(text, hint):
    with raises(ValueError, f"there is no command {text.split()[0]}; .*{hint}.* written with two"):
        read_written(text)


def test_every_command_does_something():
    assert ACTIONS.keys() == COMMANDS.keys() - {"quit"}


def test_quotes_around_a_file():
    assert [unquoted(text) for text in ("a b", '"a b"', "'a'", '"a', '"')] == ["a b", "a b", "a", '"a', '"']
