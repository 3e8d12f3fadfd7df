"""`tojson` writes what json.dumps writes, and each character of it keeps its origin."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.templates.json_text import JsonWriter
from gesso.templates.marked_text import CALLER, TEMPLATE, Caller, Text

STRINGS = st.text(max_size=4) | st.sampled_from(["<|turn>", '"', "\\", "\n", "é", "🦙", "\ud83e", "\x7f", ""])
SCALARS = STRINGS | st.integers() | st.floats() | st.booleans() | st.none()
KEYS = STRINGS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner, inner)
    | st.dictionaries(KEYS, inner, max_size=3)
    | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)
LAYOUTS = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 1, 2, -1, True, "", "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ;", "=")]),
        "sort_keys": st.booleans(),
    }
)


def outcome(function):
    try:
        return "".join([function()])
    except TypeError:
        return "TypeError"


@given(value=VALUES, layout=LAYOUTS)
@settings(max_examples=300)
def test_it_is_what_json_dumps_writes(value, layout):
    written = outcome(lambda: JsonWriter(**layout).write(Caller().mark(value)))
    assert written == outcome(lambda: json.dumps(value, **layout))


@given(left=STRINGS, right=STRINGS, layout=LAYOUTS)
@settings(max_examples=200)
def test_each_character_keeps_its_origin(left, right, layout):
    # A string that both have written, as a key and as a value inside other values. X and Y stand for the brackets.
    both = Text(left, CALLER) + Text(right, TEMPLATE)
    written = JsonWriter(**layout).write({"k": [both]})
    plain = "".join([written])
    inner_left, inner_right = (json.dumps(x, ensure_ascii=layout["ensure_ascii"])[1:-1] for x in (left, right))
    begin = plain.index("[") + 1 + plain[plain.index("[") + 1 :].index('"') + 1
    end = begin + len(inner_left)
    assert plain[begin:end] == inner_left
    assert written.origins[begin:end] == CALLER * len(inner_left)
    assert written.origins[end : end + len(inner_right)] == TEMPLATE * len(inner_right)
    assert CALLER not in written.origins[:begin] + written.origins[end:]


@pytest.mark.parametrize("value", [{(1, 2): 3}, {1, 2}, object(), {"a": b"x"}])
def test_what_json_lacks_is_refused(value):
    with pytest.raises(TypeError, match="keys must be str|is not JSON serializable"):
        JsonWriter().write(value)


def test_numbers_have_no_origin_and_words_are_the_templates():
    assert JsonWriter().write([True, None, 12]).origins == b"ttttttttttttt??t"
