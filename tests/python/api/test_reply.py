"""Replies are split into thought, text and tool calls, all at once and piece by piece."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gesso
from gesso import Reply, ReplyDecoder, ReplyParser, TextDelta, ThoughtDelta, ToolCall, parse_reply, synth
from gesso.reply import MARKERS, decode_reply, marker_ids
from gesso.tokenizer import Tokenizer
from gesso.tool_call import MAX_DEPTH, parse_call
from python.tiny_model import BOS, MERGED, VOCABULARY, tiny_model, tokenizer_metadata

TEMPLATE = (Path(synth.__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
CONTROL, USER_DEFINED = 3, 4
ADDED = ["<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>']
USER = {"role": "user", "content": "hi"}
WEATHER = 'call:get_weather{city:<|"|>Paris<|"|>,days:2,list:[<|"|>a<|"|>,<|"|>b<|"|>],o:{k:1.5},ok:true}'
ARGUMENTS = {"city": "Paris", "days": 2, "list": ["a", "b"], "o": {"k": 1.5}, "ok": True}


def chat_model(path, **sizes):
    """A tiny model whose vocabulary has the markers of the chat format."""
    tokens = VOCABULARY + ADDED
    types = tokenizer_metadata(None)["tokenizer.ggml.token_type"] + [CONTROL] * 2 + [USER_DEFINED] * 5
    metadata = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types}
    return tiny_model(path, chat_template=TEMPLATE, metadata=metadata, vocab_size=len(tokens), **sizes)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gesso.load(chat_model(tmp_path_factory.mktemp("models") / "chat.gguf", canvas_length=96))


@pytest.fixture(scope="module")
def tokenizer(model):
    return model.tokenizer


# Whole replies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Reply("", "", [])),
        ("  Hi.\n", Reply("", "  Hi.\n", [])),
        ("<|channel>thought\n<channel|>Hi.<turn|>", Reply("", "Hi.", [])),
        ("<|channel>thought\na\nb\n<channel|>\nHi.<turn|>\n", Reply("a\nb", "\nHi.", [])),
        ("<|channel>thought\na b", Reply("a b", "", [])),
        ("<|channel>thou", Reply("", "", [])),
        ("<|channel>other\na<channel|>b", Reply("other\na", "b", [])),
        ("<|channel>thought\na\n<channel|>b<|channel>thought\nc\n<channel|>d", Reply("a\nc", "bd", [])),
        ("<|channel>thought\na<|channel>thought\nb", Reply("ab", "", [])),
        ('a<channel|>b<tool_call|>c<|"|>d<|tool', Reply("", "abcd<|tool", [])),
        ("a<eos>b", Reply("", "a", [])),
        ("a<|turn>user\nb", Reply("", "a", [])),
        ("a<turn|><|channel>thought\nb<channel|>c<|tool_call>call:f{}<tool_call|>", Reply("", "a", [])),
        (
            f"<|tool_call>{WEATHER}<tool_call|><|tool_response>x",
            Reply("", "", [ToolCall("get_weather", ARGUMENTS, WEATHER)]),
        ),
        (f"<|tool_call>{WEATHER}", Reply("", "", [ToolCall("get_weather", ARGUMENTS, WEATHER)])),
        (
            "<|channel>thought\na<|tool_call>call:f{}<tool_call|>b<|tool_call>call:g{}<tool_call|>",
            Reply("a", "b", [ToolCall("f", {}, "call:f{}"), ToolCall("g", {}, "call:g{}")]),
        ),
    ],
)
def test_parse_reply(text, expected):
    assert parse_reply(text) == expected


def test_a_thought_that_the_prompt_begins_goes_on():
    assert parse_reply("a<channel|>b", in_thought=True) == Reply("a", "b", [])
    assert parse_reply("a<channel|>b") == Reply("", "ab", [])


# Calls


@pytest.mark.parametrize(
    ("raw", "name", "arguments"),
    [
        ("call:f{}", "f", {}),
        (" call: a.b-c_1 {\n a : 1 ,\tb : [ ] , c : { } }\n", "a.b-c_1", {"a": 1, "b": [], "c": {}}),
        ("call:f{a:-1,b:1e+16,c:-2.5E-3,d:0}", "f", {"a": -1, "b": 1e16, "c": -2.5e-3, "d": 0}),
        ("call:f{a:null,b:None,c:true,d:false}", "f", {"a": None, "b": None, "c": True, "d": False}),
        ('call:f{a:<|"|><|"|>,<|"|>b<|"|>:<|"|> {"x": [1], <|"|>}', "f", {"a": "", "b": ' {"x": [1], '}),
        ("call:f{a:[[1,[]],{b:{}}]}", "f", {"a": [[1, []], {"b": {}}]}),
        ("call:f{a:1,a:2}", "f", {"a": 2}),
    ],
)
def test_parse_call(raw, name, arguments):
    assert parse_call(raw) == ToolCall(name, arguments, raw)


@pytest.mark.parametrize(
    ("raw", "name", "error"),
    [
        ("", "", "expected call:NAME{...}, got the end"),
        ("f{}", "", "expected call:NAME{...}, got 'f{}'"),
        ("call:{}", "", "expected call:NAME{...}, got 'call:{}'"),
        ("call:f", "f", "character 6: expected '{', got the end"),
        ("call:f{", "f", "character 7: expected ':' further on, got the end"),
        ("call:f{a", "f", "character 7: expected ':' further on, got 'a'"),
        ("call:f{a:", "f", 'character 9: expected a number, true, false, null or a text in <|"|>, got the end'),
        ("call:f{a:Paris}", "f", "character 9: expected a number, .*, got 'Paris}'"),
        ('call:f{a:"x"}', "f", "character 9: expected a number, .*, got '\"x\"}'"),
        ("call:f{a:1.}", "f", "character 9: expected a number"),
        ("call:f{a:01x}", "f", "character 9: expected a number"),
        ("call:f{a:01}", "f", "character 9: expected a number"),
        ("call:f{a:1", "f", "character 10: expected ',' or '}', got the end"),
        ("call:f{a:1]}", "f", "character 10: expected ',' or '}', got ']}'"),
        ("call:f{a:[1}", "f", "character 11: expected ',' or ']', got '}'"),
        ("call:f{a:1,}", "f", "character 11: expected ':' further on"),
        ('call:f{a:<|"|>x}', "f", "character 14: expected '<|\"|>' further on, got 'x}'"),
        ("call:f{} call:g{}", "f", "character 9: expected the end of the call, got 'call:g{}'"),
        ('call:f{{"city": "Paris"}}', "f", "character 16: expected a number"),
        ("call:f" + "{a:" * (MAX_DEPTH + 2), "f", f"expected at most {MAX_DEPTH} nested objects and lists"),
        ("call:f{a:" + "9" * 5000 + "}", "f", "5000 digits"),
    ],
)
def test_a_call_that_cannot_be_read_is_kept(raw, name, error):
    call = parse_call(raw)
    assert (call.name, call.arguments, call.raw) == (name, {}, raw)
    assert re.search(re.escape(error).replace(r"\.\*", ".*"), call.error)
    reply = parse_reply(f"a<|tool_call>{raw}<tool_call|>b")
    assert reply == Reply("", "ab", [call])
    assert "tool_calls" not in reply.message()


def test_deep_calls_are_read():
    raw = "call:f" + "{a:" * MAX_DEPTH + "{}" + "}" * MAX_DEPTH
    assert parse_call(raw).error is None


# gesso reads tool calls back that the template has written.

NASTY = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "<|",
    "|>",
    '"',
    "\\",
    "\n",
    " ",
    "call:f{}",
    "thought\n",
    "null",
    "é",
    "🦙",
    "\0",
]
TEXTS = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=3)), max_size=5).map("".join)
TEXTS = TEXTS.filter(lambda text: not any(marker in text for marker in MARKERS))
KEYS = TEXTS.filter(lambda key: key == key.strip() and ":" not in key and key and key[0] != "}")
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.just({}),
    st.just([]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
NAMES = st.from_regex(r"[A-Za-z_][\w.-]{0,8}", fullmatch=True)
CALLS = st.lists(st.tuples(NAMES, st.dictionaries(KEYS, VALUES, max_size=4)), min_size=1, max_size=3)


@given(thought=TEXTS.map(str.strip), text=TEXTS.map(str.strip), calls=CALLS)
@settings(max_examples=150, deadline=None)
def test_what_the_template_writes_is_read_back(tokenizer, thought, text, calls):
    functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
    message = {
        "role": "assistant",
        "content": text,
        "tool_calls": [{"type": "function", "function": f} for f in functions],
    }
    if thought:
        message["reasoning"] = thought
    prompt = tokenizer.apply_chat_template([USER])
    rendered = tokenizer.apply_chat_template([USER, message])
    assert rendered.startswith(prompt)
    reply = parse_reply(rendered.removeprefix(prompt))
    assert [call.error for call in reply.tool_calls] == [None] * len(calls)
    assert reply.message() == message
    assert tokenizer.apply_chat_template([USER, reply.message()]) == rendered


# Piece by piece

PIECES = [*MARKERS, *NASTY, WEATHER, "<", "<|", "<|tool", "<tool", "thou", "ght\n", "a"]
REPLIES = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=15).map("".join)


def joined(events):
    """Joins neighbouring events of one kind."""
    result = []
    for event in events:
        if result and type(event) is type(result[-1]) and not isinstance(event, ToolCall):
            event = type(event)(result.pop().text + event.text)
        result.append(event)
    return result


def push_all(parser, pieces):
    return [event for piece in pieces for event in parser.push(piece)] + parser.flush()


@given(text=REPLIES, in_thought=st.booleans(), data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_split_gives_the_same(text, in_thought, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = push_all(ReplyParser(in_thought), [text])
    for split in (pieces, list(text)):
        events = push_all(ReplyParser(in_thought), split)
        assert joined(events) == joined(whole)
        assert all(event.text for event in events if not isinstance(event, ToolCall))
    assert Reply.from_events(whole) == parse_reply(text, in_thought)
    assert not any(marker in event.text for event in whole for marker in MARKERS if not isinstance(event, ToolCall))


@given(text=st.text(max_size=20).filter(lambda text: not any(marker in text for marker in MARKERS)))
def test_text_without_markers_stays_as_it_is(text):
    assert parse_reply(text) == Reply("", text, [])


def test_pieces_are_handed_on_as_soon_as_they_are_certain():
    parser = ReplyParser()
    assert parser.push("Hel") == [TextDelta("Hel")]
    assert parser.push("lo <") == [TextDelta("lo ")]
    assert parser.push("b><|chan") == [TextDelta("<b>")]
    assert parser.push("nel>thou") == []
    assert parser.push("ght\nso") == [ThoughtDelta("so")]
    assert parser.push("<channel|>x<|tool_call>call:f{") == [TextDelta("x")]
    assert parser.push("}<tool_call|>y") == [ToolCall("f", {}, "call:f{}"), TextDelta("y")]
    assert parser.push("<turn") == []
    assert parser.flush() == [TextDelta("<turn")]


# Token ids

SAID = f"<|channel>thought\nthe é\n<channel|>in the ▁<|tool_call>{WEATHER}<tool_call|>"


def test_ids_give_what_their_text_gives(tokenizer):
    ids = tokenizer.encode(SAID)
    expected = parse_reply(SAID.replace("▁", " "))
    assert decode_reply(tokenizer, ids) == expected
    decoder = ReplyDecoder(tokenizer)
    assert Reply.from_events(push_all(decoder, [[i] for i in ids])) == expected


def test_special_tokens_that_are_no_markers_are_dropped(tokenizer):
    ids = tokenizer.encode("a<pad>b<mask><|turn>c")
    assert decode_reply(tokenizer, ids) == Reply("", "ab", [])
    byte_run = [tokenizer.native.find(f"<0x{byte:02X}>") for byte in "é".encode()]
    decoder = ReplyDecoder(tokenizer)
    assert decoder.push(byte_run[:1]) == []
    assert decoder.push([0, *byte_run[1:]]) + decoder.flush() == [TextDelta("é")]


@pytest.mark.parametrize(
    ("context", "thought"),
    [
        ("", ""),
        ("<|turn>model\n", ""),
        ("<|channel>thought\n<channel|>", ""),
        ("<|channel>thought\n", "in"),
        ("<channel|><|channel>thought\n", "in"),
        ("<|channel>thought\n<turn|>", ""),
    ],
)
def test_ids_in_front_say_whether_a_thought_is_open(tokenizer, context, thought):
    reply = decode_reply(tokenizer, tokenizer.encode("in<channel|>a"), tokenizer.encode(context))
    assert (reply.thought, reply.text) == (thought, "a" if thought else "ina")


def test_a_vocabulary_without_markers_has_only_text(tmp_path):
    tokenizer = gesso.load(tiny_model(tmp_path / "tiny.gguf")).tokenizer
    ids = [VOCABULARY.index(token) for token in (*MERGED, "<bos>")]
    assert decode_reply(tokenizer, ids, [BOS]) == Reply("", tokenizer.decode(ids), [])


# Generations


def test_generations_have_replies(model, tokenizer):
    ids = tokenizer.encode(SAID)
    pinned = dict(enumerate([*ids, model.config.end_token_ids[0]]))
    output = model.generate("hi", max_new_tokens=96, pinned=pinned)
    assert output.sequences[0] == ids
    assert output.replies == [parse_reply(SAID.replace("▁", " "))]
    assert output.texts[0] == "thought\nthe é\nin the  " + WEATHER.replace('<|"|>', "")

    session = model.session()
    session.encode(tokenizer.encode("<|channel>thought\n"))
    pinned = dict(enumerate([*tokenizer.encode("so<channel|>a"), model.config.end_token_ids[0]]))
    assert session.generate(pinned=pinned, max_new_tokens=96).replies == [Reply("so", "a", [])]
    assert session.generate(pinned=pinned, max_new_tokens=96).replies == [Reply("", "soa", [])]
    both = model.generate(["hi", "<|channel>"], pinned=[pinned, pinned], max_new_tokens=96)
    assert [reply.thought for reply in both.replies] == ["", "so"]


def test_without_a_tokenizer_there_are_no_replies(tmp_path):
    model = gesso.load(tiny_model(tmp_path / "ids.gguf", tokenizer=False))
    assert model.generate([5, 6], max_new_tokens=8).replies is None


def test_the_history_is_not_copied(model, tokenizer, monkeypatch):
    """A thought that is open goes on in the reply, whatever lies between its marker and the reply."""
    monkeypatch.setattr(gesso.Session, "ids", property(lambda self: pytest.fail("somebody asks for all ids")))
    session = model.session()
    session.encode(tokenizer.encode("<|channel>thought\n") + tokenizer.encode("a") * 100)
    pinned = dict(enumerate([*tokenizer.encode("so"), model.config.end_token_ids[0]]))
    assert session.generate("in ", pinned=pinned, max_new_tokens=96).replies == [Reply("so", "", [])]
    session.encode(tokenizer.encode("<channel|>") + tokenizer.encode("a") * 100)
    assert session.generate(pinned=pinned, max_new_tokens=96).replies == [Reply("", "so", [])]


def test_nothing_is_decoded_twice(model, tokenizer, monkeypatch):
    """A reply without markers is read from its text."""
    stream_decoder, decoded = Tokenizer.stream_decoder, []

    def count(self, *arguments, **options):
        decoded.append(self)
        return stream_decoder(self, *arguments, **options)

    monkeypatch.setattr(Tokenizer, "stream_decoder", count)
    end = model.config.end_token_ids[0]
    for said, reply, times in (("the", Reply("", "the", []), 0), ("the<channel|>in", Reply("", "thein", []), 1)):
        ids = tokenizer.encode(said)
        out = model.generate("hi", pinned=dict(enumerate([*ids, end])), max_new_tokens=96)
        assert out.sequences == [ids] and out.replies == [reply]
        assert len(decoded) == times


@given(st.data())
def test_a_reply_is_the_same_from_its_text(tokenizer, data):
    """Bytes that are no UTF-8, special tokens that are no markers, and markers spelled out are among the ids."""
    markers = marker_ids(tokenizer, MARKERS)
    token = st.integers(0, tokenizer.vocab_size - 1)
    plain = st.lists(token.filter(lambda i: i not in markers))
    spelled = [i for character in "<|channel>" for i in tokenizer.encode(character)]
    ids = data.draw(plain) + data.draw(st.sampled_from([[], spelled])) + data.draw(plain)
    context = data.draw(st.lists(token))
    for whole in (ids, [*ids, *tokenizer.encode("<|channel>thought\nx"), *ids]):
        text = tokenizer.decode(whole)
        assert decode_reply(tokenizer, whole, context, text) == decode_reply(tokenizer, whole, context)
