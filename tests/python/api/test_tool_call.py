"""Calls of tools are read as the format has them, and where they are sloppy but can mean only one thing."""

import re
import subprocess
import sys
from collections import Counter

import pytest

from gesso import Reply, ToolCall, parse_reply
from gesso.call_reader import MAX_DEPTH, Source
from gesso.tool_call import parse_calls

# In the format


@pytest.mark.parametrize(
    ("raw", "name", "arguments"),
    [
        ("call:f{}", "f", {}),
        (" call: a.b-c_1 {\n a : 1 ,\tb : [ ] , c : { } }\n", "a.b-c_1", {"a": 1, "b": [], "c": {}}),
        ("call:ns:f{a:1}", "ns:f", {"a": 1}),
        ("call:f{a:-1,b:1e+16,c:-2.5E-3,d:0}", "f", {"a": -1, "b": 1e16, "c": -2.5e-3, "d": 0}),
        ("call:f{a:null,b:None,c:true,d:false}", "f", {"a": None, "b": None, "c": True, "d": False}),
        ('call:f{a:<|"|><|"|>,<|"|>b<|"|>:<|"|> {"x": [1], <|"|>}', "f", {"a": "", "b": ' {"x": [1], '}),
        ('call:f{a:<|"|>it\'s "so"\\n, b:"c"}<|"|>}', "f", {"a": 'it\'s "so"\\n, b:"c"}'}),
        ("call:f{a:[[1,[]],{b:{}}]}", "f", {"a": [[1, []], {"b": {}}]}),
        ("call:f{a:1,a:2}", "f", {"a": 2}),
        ("call:f{a,b:1,[:2,\":3,it's:4}", "f", {"a,b": 1, "[": 2, '"': 3, "it's": 4}),
    ],
)
def test_a_call_in_the_format_is_read(raw, name, arguments):
    for closed in (True, False):
        assert parse_calls(raw, closed) == [ToolCall(name, arguments, raw)]


# Sloppy


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ('call:f{path:"a.txt"}', {"path": "a.txt"}),
        ("call:f{a:['x',\"y\"]}", {"a": ["x", "y"]}),
        ('call:f{a:"x, y} b:[",b:\'"\'}', {"a": "x, y} b:[", "b": '"'}),
        ('call:f{"a": 1, \'b\': "c", <|"|>d:e<|"|>:2}', {"a": 1, "b": "c", "d:e": 2}),
        ('call:f{a:<|"|>x<|"|>,"b":2,"":3}', {"a": "x", "b": 2, "": 3}),
        ("call:f{a:1 b:2}", {"a": 1, "b": 2}),
        ('call:f{a:<|"|>x<|"|>b:{c:1}d:[{}{}]e:[1 2]}', {"a": "x", "b": {"c": 1}, "d": [{}, {}], "e": [1, 2]}),
        ("call:f{a:1,}", {"a": 1}),
        ("call:f{a:[1,2,],b:{c:1,},}", {"a": [1, 2], "b": {"c": 1}}),
        ("call:f{a:1}}", {"a": 1}),
        ("call:f(city='Paris', days=2)", {"city": "Paris", "days": 2}),
        ('call:f(city:<|"|>Paris<|"|>)', {"city": "Paris"}),
        ('call:f({"city": "Paris"})', {"city": "Paris"}),
        ('call:f{{"city": "Paris"}}', {"city": "Paris"}),  # what templates make of arguments that are JSON text
        ('call:f{city="Paris",days=2}', {"city": "Paris", "days": 2}),
        ('call:f{city="Paris",days:2}', {"city": "Paris", "days": 2}),
        ("call:f: {a:1}", {"a": 1}),
        ("call:f()", {}),
        ("call:f{null}", {}),
        ("call:f(None)", {}),
        ("call:f null", {}),
        ("call:f[]", {}),
        ("call:f{a:True,b:False,c:None}", {"a": True, "b": False, "c": None}),
        ("call:f{a:+5,b:1_000,c:.5,d:-.5,e:-1_0.5e3}", {"a": 5, "b": 1000, "c": 0.5, "d": -0.5, "e": -10500.0}),
        ("```\ncall:f{a:1}\n```", {"a": 1}),
        ("```call:f{a:1}```", {"a": 1}),
        ('```json\n{"name": "f", "arguments": {"a": 1}}\n```\n', {"a": 1}),
        ('{"name": "f", "arguments": {}}', {}),
        ('call:f```json\n{"a": "1\\n2"}\n```', {"a": "1\n2"}),
        # Quote marks inside
        ('call:f{a:"say "hi""}', {"a": 'say "hi"'}),
        ('call:f{a:"say "hi", she said",n:1}', {"a": 'say "hi", she said', "n": 1}),
        ("call:f{a:['it's']}", {"a": ["it's"]}),
        ("call:f{a:'it's', b:'they're'}", {"a": "it's", "b": "they're"}),
        ('call:f{b:"c",h:"5" nail",n:1}', {"b": "c", "h": '5" nail', "n": 1}),
        ('call:f{a:<|"|>x<|"|>y<|"|>}', {"a": 'x<|"|>y'}),
        # Backslashes
        ('call:f{"a": "x\\n\\"\\u00e9\\"", "b": [null]}', {"a": 'x\n"é"', "b": [None]}),
        ('call:f{a:"say \\"hi\\""}', {"a": 'say "hi"'}),
        ("call:f{a:'it\\'s'}", {"a": "it's"}),
        ('call:f{a:"C:\\dir\\s"}', {"a": "C:\\dir\\s"}),
    ],
)
def test_a_sloppy_call_is_repaired(raw, arguments):
    for closed in (True, False):
        assert parse_calls(raw, closed) == [ToolCall("f", arguments, raw, repaired=True)]
    call = ToolCall("f", arguments, raw, repaired=True)
    reply = parse_reply(f"a<|tool_call>{raw}<tool_call|>b")
    assert reply == Reply("", "ab", [call])
    assert reply.message()["tool_calls"][0]["function"] == {"name": "f", "arguments": arguments}


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ("call:f", {}),
        ("call:f{", {}),
        ("call:f(", {}),
        ("call:f{a:1", {"a": 1}),
        ('call:f{a:"x"', {"a": "x"}),
        ("call:f{a:{b:[1,2", {"a": {"b": [1, 2]}}),
        ('call:f{{"a": 1}', {"a": 1}),
        ("call:f(a=1", {"a": 1}),
        ("```\ncall:f{a:1", {"a": 1}),
    ],
)
def test_an_end_that_is_missing_is_repaired_only_if_a_marker_ends_the_call(raw, arguments):
    repaired = ToolCall("f", arguments, raw, repaired=True)
    for end in ("<tool_call|>", "<turn|>", "<|tool_call>"):
        assert parse_reply(f"<|tool_call>{raw}{end}").tool_calls[:1] == [repaired]
    (cut,) = parse_reply(f"<|tool_call>{raw}").tool_calls  # no more tokens were allowed; more would have come
    assert (cut.name, cut.arguments, cut.raw, cut.repaired) == ("f", {}, raw, False)
    assert cut.error.endswith("got the end")


def test_several_calls_within_one_pair_of_markers():
    raw = 'call:f{}call:g{a:"1"}\ncall:h(), call:i{b:Paris} call:j{}'
    calls = parse_reply(f"<|tool_call>{raw}<tool_call|>").tool_calls
    assert [(call.name, call.arguments, call.repaired) for call in calls] == [
        ("f", {}, True), ("g", {"a": "1"}, True), ("h", {}, True), ("i", {}, False),
    ]  # fmt: skip
    assert "".join(call.raw for call in calls) == raw
    assert "got 'Paris} call:j{}'" in calls[3].error


# Not read


@pytest.mark.parametrize(
    ("raw", "name", "error"),
    [
        ("", "", "expected call:NAME{...}, got the end"),
        ("f{}", "", "expected call:NAME{...}, got 'f{}'"),
        ("call:{}", "", "expected call:NAME{...}, got 'call:{}'"),
        ('{"name": "f g", "arguments": {}}', "", "expected call:NAME{...}, got"),
        ('{"name": "f", "arguments": {}, "x": 1}', "", "expected call:NAME{...}, got"),
        ("call:f{a", "f", "character 7: expected ':' further on, got 'a'"),
        ("call:f{a:", "f", 'character 9: expected a number, true, false, null or a text in <|"|>, got the end'),
        ("call:f{a:}", "f", "character 9: expected a number, .*, got '}'"),  # null or an empty text
        ("call:f{a:Paris}", "f", "character 9: expected a number, .*, got 'Paris}'"),
        ("call:f(city=Paris)", "f", "character 12: expected a number, .*, got 'Paris)'"),
        ('call:f{{": 1}', "f", "character 8: expected ':' further on"),
        ("call:f('Paris')", "f", "character 7: expected ':' further on"),
        ('call:f<|"|>Paris<|"|>', "f", "character 6: expected '{', got"),
        ("call:f=1", "f", "character 6: expected '{', got '=1'"),
        ("call:f{a:1.}", "f", "character 9: expected a number"),
        ("call:f{a:01x}", "f", "character 9: expected a number"),
        ("call:f{a:01}", "f", "character 9: expected a number"),
        ("call:f{a:1,000}", "f", "character 11: expected ':' further on"),
        ("call:f{a:1,000,b:2}", "f", "character 11: expected ':' further on"),
        ("call:f{a:1]}", "f", "character 10: expected ',' or '}', got ']}'"),
        ("call:f{a:[1}", "f", "character 11: expected ',' or ']', got '}'"),
        ('call:f{a:<|"|>x}', "f", "character 14: expected '<|\"|>' further on, got 'x}'"),
        ('call:f{a:"x}', "f", "character 10: expected '\"' further on, got 'x}'"),
        ("call:f{a:1,", "f", "character 11: expected ':' further on"),
        ("call:f{} and g", "f", "character 9: expected the end of the call, got 'and g'"),
        # The text may be `He said "yes` or all up to the last mark.
        ('call:f{a:"He said "yes", b:"c""}', "f", "character 10: expected a text that can end in one place only"),
        ('call:f{a:"x\\ny"}', "f", "character 10: expected a text without backslashes"),
        ("call:f" + "{a:" * (MAX_DEPTH + 2), "f", f"expected at most {MAX_DEPTH} nested objects and lists"),
        ("call:f{a:" + "[" * 100_000, "f", f"expected at most {MAX_DEPTH} nested objects and lists"),
        ("call:f{a:" + "9" * 5000 + "}", "f", "5000 digits"),
    ],
)
def test_a_call_that_cannot_be_read_is_kept(raw, name, error):
    (call,) = parse_calls(raw)
    assert (call.name, call.arguments, call.raw, call.repaired) == (name, {}, raw, False)
    assert re.search(re.escape(error).replace(r"\.\*", ".*"), call.error)
    reply = parse_reply(f"a<|tool_call>{raw}<tool_call|>b<|tool_call>call:g{{}}<tool_call|>")
    assert reply == Reply("", "ab", [call, ToolCall("g", {}, "call:g{}")])
    functions = [made["function"] for made in reply.message()["tool_calls"]]
    assert functions == [{"name": name, "arguments": {"unread": raw}}, {"name": "g", "arguments": {}}]


def test_deep_calls_are_read():
    raw = "call:f" + "{a:" * MAX_DEPTH + "{}" + "}" * MAX_DEPTH
    assert parse_calls(raw) == [ToolCall("f", parse_calls(raw)[0].arguments, raw)]
    assert parse_calls("call:f" + "{a:" * MAX_DEPTH + "{")[0].repaired


# Work


def counted(monkeypatch):
    """Counts what readers look at: each look, and each character that it passes."""
    work = Counter()

    def match(self, pattern, at):
        found = pattern.match(self.text, at)
        work["read"] += 1 + (found.end() - at if found else 0)
        return found

    def find(self, token, at):
        found = self.text.find(token, at)
        work["read"] += 1 + (found if found >= 0 else len(self.text)) - at
        return found

    monkeypatch.setattr(Source, "match", match)
    monkeypatch.setattr(Source, "find", find)
    return work


N = 5_000


@pytest.mark.parametrize(
    "raw",
    [
        "call:f{a:[" + "1," * N + "]}",
        'call:f{a:["' + "x" * N + '"]}',
        "call:f{" + "a:'b'," * N + "}",
        "call:f{" + "a:'b' " * N + "}",
        'call:f{a:"' + 'x"' * N + "}",
        'call:f{a:"' + 'x", b:"' * N + "}",
        'call:f{a:"' + '", "' * N + "}",
        "call:f{a:'\"" + '\\"' * N + "}",
        "call:f{a:" + '<|"|>x' * N + "}",
        "call:f{a:[" + "'<|\"|>" * N + "]}",
        "call:f{a:['" + "'\n" * N + "]}",
        "call:f{}" * N,
        'call:f{a:"x "y""}' * N,
        "call:f{" + " " * N,
        "call:" + ":" * N,
        "```" * N,
        "{" * N,
        "call:f{a:" + "9" * N,
    ],
)
def test_work_is_linear(monkeypatch, raw):
    """10 is per reading, of which there are at most 33; a quadratic reader would need thousands per character."""
    work = counted(monkeypatch)
    for closed in (True, False):
        parse_calls(raw, closed)
    assert 0 < work["read"] < 2 * 33 * 10 * len(raw)


MILLION_PIECES = """
import gesso
parser = gesso.ReplyParser()
events = parser.push('<|tool_call>call:f{{a:{begin}')
for _ in range(1_000_000):
    events += parser.push("abcdefgh")
events += parser.push('{end}}}<tool_call|>')
print(len(events), len(events[0].arguments["a"]), events[0].repaired)
"""


@pytest.mark.parametrize("mark", ['<|"|>', '"'])
def test_a_call_in_a_million_pieces(mark):
    """It takes a second. If each piece copied what has come so far, it would take longer than anyone waits."""
    program = [sys.executable, "-c", MILLION_PIECES.format(begin=mark, end=mark)]
    shown = subprocess.run(program, timeout=300, capture_output=True, text=True)
    assert shown.stdout == f"1 8000000 {mark == chr(34)}\n", shown.stderr
