"""Calls of tools are read as the format has them, and where they are sloppy but can mean only one thing."""

import re
import subprocess
import sys
from collections import Counter

import pytest

from gesso import Reply, ToolCall, parse_reply
from gesso.calls.reader import MAX_DEPTH, MAX_DIGITS, Source
from gesso.calls.repair import RepairingReader
from gesso.calls.tool_call import LEAST_READINGS, MAX_READINGS, parse_calls

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
        (
            "call:f{a-b:1,a.b:2,$ref:3,a/b:4,_1:5,größe:6,名:7}",
            "f",
            {"a-b": 1, "a.b": 2, "$ref": 3, "a/b": 4, "_1": 5, "größe": 6, "名": 7},
        ),
        ('call:f{<|"|>a,b:c<|"|>:1,<|"|><|"|>:2}', "f", {"a,b:c": 1, "": 2}),
        ("call:f{a:{b:1},b:2}", "f", {"a": {"b": 1}, "b": 2}),
        ("call:f{a:" + "9" * MAX_DIGITS + "}", "f", {"a": 10**MAX_DIGITS - 1}),
        ("call:f{a:1e308,b:-1.7e308}", "f", {"a": 1e308, "b": -1.7e308}),
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
        ("call:f{a:['it' 's',\"x\" \"y\"]}", {"a": ["it", "s", "x", "y"]}),
        ("call:f{a:['x'\"y\"1[]]}", {"a": ["x", "y", 1, []]}),
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
    check_repaired(raw, arguments)


SEPARATORS = {
    "comma first": ("{,a:1}", {"a": 1}),
    "only a comma": ("{,}", {}),
    "two commas": ("{a:1,,b:2}", {"a": 1, "b": 2}),
    "two commas behind a text": ('{a:"x",,b:"y"}', {"a": "x", "b": "y"}),
    "two commas last": ("{a:1,,}", {"a": 1}),
    "two commas inside": ("{a:{,b:[1],,c:2}}", {"a": {"b": [1], "c": 2}}),
    "semicolon behind a text": ('{a:"x"; b:"y"}', {"a": "x", "b": "y"}),
    "semicolon behind a number": ("{a:1;b:true;}", {"a": 1, "b": True}),
    "key of two words": ('{my key:1,a:<|"|>x<|"|>, other key:2}', {"my key": 1, "a": "x", "other key": 2}),
    "key with a sign": ("{@id:1,a+b:2}", {"@id": 1, "a+b": 2}),
    "comma and colon in a text": ('{a:"Dear Bob, note: x"}', {"a": "Dear Bob, note: x"}),
    "quote in a text behind a comma": ('{a:"he said, "yes"",b:1}', {"a": 'he said, "yes"', "b": 1}),
}


@pytest.mark.parametrize("name", SEPARATORS)
def test_separators_and_keys_are_repaired(name):
    raw, arguments = SEPARATORS[name]
    check_repaired("call:f" + raw, arguments)


def check_repaired(raw, arguments):
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
        ('{"name": "f", "arguments": {"a": "\\ud800"}}', "", "expected call:NAME{...}, got"),
        ("call:f{a", "f", "character 7: expected a key and ':', got 'a'"),
        ("call:f{a:", "f", 'character 9: expected a number, true, false, null or a text in <|"|>, got the end'),
        ("call:f{a:}", "f", "character 9: expected a number, .*, got '}'"),  # null or an empty text
        ("call:f{a:Paris}", "f", "character 9: expected a number, .*, got 'Paris}'"),
        ("call:f(city=Paris)", "f", "character 12: expected a number, .*, got 'Paris)'"),
        ('call:f{{": 1}', "f", "character 8: expected a key and ':'"),
        ("call:f('Paris')", "f", "character 7: expected a key and ':'"),
        ('call:f<|"|>Paris<|"|>', "f", "character 6: expected '{', got"),
        ("call:f=1", "f", "character 6: expected '{', got '=1'"),
        ("call:f{a:1.}", "f", "character 9: expected a number"),
        ("call:f{a:01x}", "f", "character 9: expected a number"),
        ("call:f{a:01}", "f", "character 9: expected a number"),
        ("call:f{a:1,000}", "f", "character 11: expected a key and ':'"),
        ("call:f{a:1,000,b:2}", "f", "character 11: expected a key and ':'"),
        ("call:f{a:1]}", "f", "character 10: expected ',' or '}', got ']}'"),
        ("call:f{a:[1}", "f", "character 11: expected ',' or ']', got '}'"),
        ('call:f{a:<|"|>x}', "f", "character 14: expected '<|\"|>' further on, got 'x}'"),
        ('call:f{a:"x}', "f", "character 10: expected '\"' further on, got 'x}'"),
        ("call:f{a:1,", "f", "character 11: expected a key and ':'"),
        ("call:f{} and g", "f", "character 9: expected the end of the call, got 'and g'"),
        # The text may be `He said "yes` or all up to the last mark.
        ('call:f{a:"He said "yes", b:"c""}', "f", "character 10: expected a text that can end in one place only"),
        ('call:f{a:"x\\ny"}', "f", "character 10: expected a text without backslashes"),
        ("call:f" + "{a:" * (MAX_DEPTH + 2), "f", f"expected at most {MAX_DEPTH} nested objects and lists"),
        ("call:f{a:" + "[" * 100_000, "f", f"expected at most {MAX_DEPTH} nested objects and lists"),
        ("call:f{a:" + "9" * 5000 + "}", "f", "character 9: expected an integer of at most 1000 digits, got '99"),
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


ODD_KEYS = {
    "comma in a key": ("{a, b:1}", 7),
    "brace in a key": ("{a:1, b}c:2}", 12),
    "quote before a key": ('{"a:1}', 7),
    "quote before a later key": ('{b:1,"a:1}', 11),
    "quotes around two members": ('{"a:1,b":2}', 7),
    "thousands and a missing comma": ("{a:1,000 b:2}", 11),
    "value without a key": ("(Paris days=2)", 7),
    "quote in a key": ('{a"b:1}', 7),
    "apostrophe in a key": ("{it's:1}", 7),
    "token before a key": ('{<|"|>a:1}', 7),
    "token behind a key": ('{a<|"|>:1}', 7),
    "empty key": ("{:1}", 7),
    "list as a key": ("{[a]:1}", 7),
    "bracket as a key": ("{a:1,[:2}", 11),
    "line break in a key": ("{a\nb:1}", 7),
    "backslash in a key": ("{a\\:1}", 7),
}
REPEATED_KEYS = {
    "key twice": ("{a:1,a:2}", 11),
    "quoted key twice": ('{"a":"x","a":"y"}', 15),
    "key twice, the same value": ("{a:1,b:2,a:1}", 15),
    "key twice inside": ("{a:[{b:1,b:2}]}", 15),
    "key twice, once quoted": ('{a:1, <|"|>a<|"|>:2}', 12),
}
# The first text may be all up to the last mark, or end earlier.
SWALLOWED = {
    "quote missing at the end": ('{path:"a.txt, mode:"w"}', 13),
    "quote missing at the end of the first of three": ('{path:"a.txt, mode:"w", b:"c"}', 13),
    "quote missing, and a number between": ('{path:"a.txt, n:1, mode:"w"}', 13),
    "quote missing before a quoted key": ('{"path":"a.txt, "mode":"w"}', 15),
    "apostrophe missing at the end": ("{path:'a.txt, mode:'w'}", 13),
    "token missing at the end": ('{path:<|"|>a.txt, mode:<|"|>w<|"|>}', 17),
    "letters behind the quote": ('{a:"x, b:"c:"y"}', 10),
    "colon between members": ('{a:"x":b:"y"}', 10),
    "bar between members": ('{a:"x"|b:"y"}', 10),
    "nothing between members": ("{a:'x'b:'y'}", 10),
    "colon missing": ('{path:"a.txt",mode"w",n:1}', 13),
    "space for a colon": ('{path:"a.txt", mode "w"}', 13),
    "brace for a colon": ("{path:'a.txt', mode{'w'}", 13),
    "token, and the colon missing": ('{path:<|"|>a.txt<|"|>,mode<|"|>w<|"|>,n:1}', 17),
    "colon and comma missing": ('{path:"a"mode"w"}', 13),
    "brace for a comma in a list": ('{a:["x"}"y"]}', 11),
    "letter for a comma in a list": ('{a:["x"a"y"]}', 11),
    "brackets missing": ('{files:"a", "b"}', 14),
    "brackets missing, no comma": ('{files:"a" "b"}', 14),
    "brackets and a quote missing": ('{files:"a, "b"}', 14),
    "quote missing in a list": ('{a:["x, "y"]}', 11),
    "quote missing in a list of three": ('{a:["x, "y", "z"]}', 11),
    "marks that touch in a list": ("{s:['it''s']}", 11),
    "marks that touch, and one behind": ('{a:["he said "" x"]}', 11),
    "marks that touch around other marks": ("{a:['''=)','(']}", 11),
    "marks that touch in an inner list": ('{a:[["1"],["5" nail","x""y"]]}', 28),
    "mark and list that touch": ('{a:["x"[]"y"]}', 11),
    "semicolon in a list": ('{a:["x"; "y"]}', 11),
}
NUMBERS = {
    "large": ("{a:1e999}", "a number between -1.8e308 and 1.8e308"),
    "large negative": ("{a:-1e999}", "a number between -1.8e308 and 1.8e308"),
    "large with a sign": ("{a:+1e999}", "a number between -1.8e308 and 1.8e308"),
    "large without a zero": ("{a:.5e999}", "a number between -1.8e308 and 1.8e308"),
    "many digits": ("{a:" + "1" * (MAX_DIGITS + 1) + "}", "an integer of at most 1000 digits"),
    "many digits with underscores": ("{a:-" + "1_1" * MAX_DIGITS + "}", "an integer of at most 1000 digits"),
    "NaN": ("{a:NaN}", "a number, true"),
    "Infinity": ("{a:Infinity}", "a number, true"),
    "-Infinity": ("{a:-Infinity}", "a number, true"),
    "comma in front in a list": ("{a:,1}", "a number, true"),
    "two commas in a list": ("{a:[1,,2]}", "a number, true"),  # [1,null,2] or [1,2]
    "comma first in a list": ("{a:[,1]}", "a number, true"),
}
HALVES = {
    "half a character": ('{a:"\\ud800"}', 10),
    "half a character in capitals": ('{"a": "x\\uDFFF"}', 13),
    "half a character in a list": ("{a:[1,'\\udc00\\ud800']}", 13),
    "half a character in a key": ('{"\\ud83dx":1}', 8),
}
UNREAD = {name: (raw, at, "a key and ':'") for name, (raw, at) in ODD_KEYS.items()}
UNREAD |= {name: (raw, at, "a key that was not given before") for name, (raw, at) in REPEATED_KEYS.items()}
UNREAD |= {name: (raw, at, "a text that can end in one place only") for name, (raw, at) in SWALLOWED.items()}
UNREAD |= {name: (raw, at, "whole characters, and no half such as \\ud") for name, (raw, at) in HALVES.items()}
UNREAD |= {"number: " + name: (raw, None, expected) for name, (raw, expected) in NUMBERS.items()}


@pytest.mark.parametrize("name", UNREAD)
def test_a_call_that_may_mean_two_things_is_kept(name):
    raw, at, expected = UNREAD[name]
    (call,) = parse_reply(f"<|tool_call>call:f{raw}<tool_call|>").tool_calls
    assert (call.name, call.arguments, call.raw, call.repaired) == ("f", {}, "call:f" + raw, False)
    assert call.error.startswith("character " if at is None else f"character {at}: ")
    assert f": expected {expected}" in call.error
    assert "sys." not in call.error


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

    def search(self, pattern, begin, end):
        work["read"] += 1 + end - begin
        return pattern.search(self.text, begin, end)

    def find(self, token, at):
        found = self.text.find(token, at)
        work["read"] += 1 + (found if found >= 0 else len(self.text)) - at
        return found

    monkeypatch.setattr(Source, "match", match)
    monkeypatch.setattr(Source, "search", search)
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
        'call:f{a:["' + '"x,' * N + '"]}',
        'call:f{a:"' + 'x ", ' * N + '"}',
        "call:f{" + "," * N + "a:1}",
        "call:f{" + "a " * N + ":1}",
        "call:f{a:'x'" + ",;" * N + "b'}",
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


@pytest.mark.parametrize(("num_texts", "most"), [(1_000, MAX_READINGS), (16_000, LEAST_READINGS)])
def test_a_long_call_is_read_in_fewer_ways(monkeypatch, num_texts, most):
    """32 readings of the second one would take seconds."""
    readings = []

    class Counted(RepairingReader):
        def read(self):
            readings.append(self)
            super().read()

    monkeypatch.setattr("gesso.calls.repair.RepairingReader", Counted)
    (call,) = parse_calls('call:f{a:["' + '"a":"b",' * num_texts)
    assert "a text that can end in one place only" in call.error
    assert len(readings) == most


MANY_PIECES = """
import gesso
parser = gesso.ReplyParser()
events = parser.push('<|tool_call>call:f{{a:{begin}')
for _ in range(200_000):
    events += parser.push("abcdefgh")
events += parser.push('{end}}}<tool_call|>')
print(len(events), len(events[0].arguments["a"]), events[0].repaired)
"""


@pytest.mark.parametrize("mark", ['<|"|>', '"'])
def test_a_call_in_many_pieces(mark):
    """If each piece copied what has come so far, that would be 160 GB, and take longer than anyone waits."""
    program = [sys.executable, "-c", MANY_PIECES.format(begin=mark, end=mark)]
    shown = subprocess.run(program, timeout=300, capture_output=True, text=True)
    assert shown.stdout == f"1 1600000 {mark == chr(34)}\n", shown.stderr
