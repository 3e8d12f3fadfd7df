"""Text is a string that knows the origin of each character: operations give what those of str give, and keep it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.templates.marked_text import CALLER, METHODS, TEMPLATE, UNKNOWN, Caller, Text, joined, origin_of

# Which origin a character has in these tests, so that it can be read off a result.
WRITTEN, GIVEN = "<|t>% \n", "cD#\tß"
ORIGIN = dict.fromkeys(WRITTEN, TEMPLATE) | dict.fromkeys(GIVEN, CALLER)
PLAIN = st.text(WRITTEN + GIVEN, max_size=12)
PIECES = st.text(WRITTEN, max_size=2) | st.text(GIVEN, max_size=2)


def text(plain):
    return Text(plain, b"".join(ORIGIN[c] for c in plain))


def assert_kept(result, expected):
    """`result` is `expected`, and each character in it has its origin."""
    if isinstance(expected, (list, tuple)):
        assert type(result) is type(expected)
        assert len(result) == len(expected)
        for piece, plain in zip(result, expected, strict=True):
            assert_kept(piece, plain)
        return
    assert isinstance(result, Text)
    assert "".join([result]) == expected
    assert result.origins == b"".join(ORIGIN[c] for c in expected)


PARTS = [
    lambda x, y, i, j: x[i:j],
    lambda x, y, i, j: x[i:j:-1],
    lambda x, y, i, j: x[::-1],
    lambda x, y, i, j: x[i] if -len(x) <= i < len(x) else x,
    lambda x, y, i, j: list(x),
    lambda x, y, i, j: x.strip(),
    lambda x, y, i, j: x.strip(y),
    lambda x, y, i, j: x.lstrip(),
    lambda x, y, i, j: x.rstrip(y),
    lambda x, y, i, j: x.split(),
    lambda x, y, i, j: x.split(None, i),
    lambda x, y, i, j: x.rsplit(None, i),
    lambda x, y, i, j: x.split(y or "t", i),
    lambda x, y, i, j: x.rsplit(y or "c", i),
    lambda x, y, i, j: x.splitlines(),
    lambda x, y, i, j: x.splitlines(True),
    lambda x, y, i, j: x.partition(y or "t"),
    lambda x, y, i, j: x.rpartition(y or "t"),
    lambda x, y, i, j: x.removeprefix(y),
    lambda x, y, i, j: x.removesuffix(y),
    lambda x, y, i, j: x + y,
    lambda x, y, i, j: x * i,
    lambda x, y, i, j: i * x,
    lambda x, y, i, j: y.join([x, y, x]),
    lambda x, y, i, j: y.join(x),
    lambda x, y, i, j: x.replace(y, y + y),
    lambda x, y, i, j: x.replace(y[:1], x, i),
    lambda x, y, i, j: x.replace(y[:0], y, i),
    lambda x, y, i, j: x.ljust(i + 9, y[:1] or x[:1] or "#") if x else x,
    lambda x, y, i, j: x.rjust(i + 9, y[:1] or x[:1] or "#") if x else x,
    lambda x, y, i, j: x.center(i + 9, y[:1] or x[:1] or "#") if x else x,
]


@given(plain=PLAIN, other=PIECES, i=st.integers(-5, 9), j=st.integers(-5, 9))
@settings(max_examples=40)
@pytest.mark.parametrize("function", PARTS)
def test_parts_and_sums(function, plain, other, i, j):
    # It fails if an operation forgets where its pieces come from, or differs from that of str.
    assert_kept(function(text(plain), text(other), i, j), function(plain, other, i, j))


@given(plain=st.text(max_size=8), letters=st.data())
@settings(max_examples=40)
@pytest.mark.parametrize("name", ["upper", "lower", "casefold", "swapcase", "title", "capitalize"])
def test_changed_characters_keep_their_origin(name, plain, letters):
    origins = letters.draw(st.lists(st.sampled_from([b"t", b"c"]), min_size=len(plain), max_size=len(plain)))
    result = getattr(Text(plain, b"".join(origins)), name)()
    assert "".join([result]) == getattr(plain, name)()
    assert len(result.origins) == len(result)
    if len(result) == len(plain):
        assert result.origins == b"".join(origins)


def test_characters_that_become_several():
    assert Text("aßb", b"tct").upper().origins == b"tcct"


def test_a_plain_string_has_no_origin():
    assert joined(["ab", Text("c", TEMPLATE)]).origins == b"??t"
    assert ("ab" + Text("c", CALLER)).origins == b"??c"
    assert (Text("c", CALLER) + "ab").origins == b"c??"


def test_the_rest_is_as_for_any_string():
    user = Text("user", CALLER)
    assert user == "user"
    assert {"user": 1}[user] == {user: 1}["user"] == 1
    assert user in ("user", "x")
    assert user.startswith("us")
    assert str(user) is user
    with pytest.raises(TypeError, match="sequence item 1: expected str instance, int found"):
        user.join(["a", 1])
    with pytest.raises(TypeError):
        user + 1


ARGUMENTS = {"join": [[]], "replace": ["a", "b"], "format_map": [{}], "ljust": [3], "rjust": [3], "center": [3]}
ONE = ["startswith", "endswith", "find", "rfind", "index", "rindex", "count", "removeprefix", "removesuffix"]
ARGUMENTS |= {name: ["a"] for name in [*ONE, "partition", "rpartition"]}


@pytest.mark.parametrize("name", sorted(METHODS - {"format", "format_map"}))
def test_each_method_that_a_template_may_call_keeps_account(name):
    # A method of str that returns strings and is not in Text would drop the origins.
    result = getattr(Text("a", CALLER), name)(*ARGUMENTS.get(name, []))
    for part in result if isinstance(result, (list, tuple)) else [result]:
        assert not isinstance(part, str) or isinstance(part, Text)


@pytest.mark.parametrize(
    ("layout", "values"),
    [
        ("<|%s>", "cD"),
        ("%s|%s", ("c", "DD")),
        ("%(c)s>%(d)s", {"c": "cc", "d": "D"}),
        ("%%|%s", ("#",)),
        ("<%.1s>", ("cD",)),
        ("%s", ("",)),
        ("<t>", ()),
    ],
)
def test_percent(layout, values):
    marked = Caller().mark(values)
    assert_kept(Text(layout, TEMPLATE) % marked, layout % values)


@pytest.mark.parametrize("layout", ["%5d|", "%-5s|", "%x", "%5.1f", "%r", "%*d", "%.*f", "%+d", "%05d", "%%"])
@pytest.mark.parametrize("values", [(3,), (3, 4), (4, 2.5), ("c",), 3, "c", [1], {"a": 1}])
def test_percent_gives_what_str_gives(layout, values):
    def outcome(function):
        try:
            return str(function())
        except (TypeError, ValueError):
            return "an error"

    assert outcome(lambda: "".join([Text(layout, TEMPLATE) % values])) == outcome(lambda: layout % values)


def test_origin_of_what_keeps_no_account():
    assert origin_of(Text("a", CALLER), 1, None) == CALLER
    assert origin_of({Text("a", TEMPLATE): [Text("b", TEMPLATE)]}) == TEMPLATE
    assert origin_of(Text("a", CALLER), Text("b", TEMPLATE)) == UNKNOWN
    assert origin_of(1) == origin_of("a") == UNKNOWN
    assert origin_of(Text("a", TEMPLATE), 1) == origin_of([Text("a", TEMPLATE), object()]) == UNKNOWN
