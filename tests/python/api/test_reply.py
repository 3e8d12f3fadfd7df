"""Replies are split into thought, text and tool calls, all at once and piece by piece."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gesso
from gesso import Reply, ReplyDecoder, ReplyParser, TextDelta, ThoughtDelta, ToolCall, parse_reply, synth
from gesso.calls.reader import KEY
from gesso.calls.repair import SLOPPY_KEY
from gesso.reply import MARKERS, decode_reply, marker_ids
from gesso.tokenizer import Tokenizer
from python.tiny_model import BOS, MERGED, VOCABULARY, tiny_model, tokenizer_metadata

TEMPLATE = (Path(synth.__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
CONTROL, USER_DEFINED = 3, 4
ADDED = ["<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>']
USER = {"role": "user", "content": "hi"}
WEATHER = 'call:get_weather{city:<|"|>Paris<|"|>,days:2,list:[<|"|>a<|"|>,<|"|>b<|"|>],o:{k:1.5},ok:true}'
ARGUMENTS = {"city": "Paris", "days": 2, "list": ["a", "b"], "o": {"k": 1.5}, "ok": True}


def chat_model(path, added_type=None, **sizes):
    """A tiny model whose vocabulary has the markers of the chat format; with `added_type`, some are of that type."""
    tokens = VOCABULARY + ADDED
    added_types = [CONTROL] * 2 + [USER_DEFINED] * 5 if added_type is None else [added_type] * len(ADDED)
    types = tokenizer_metadata(None)["tokenizer.ggml.token_type"] + added_types
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
# Templates write keys without quotes. A key with a comma, a quote or a bracket may mean that something is missing.
KEYS = st.one_of(st.from_regex(KEY, fullmatch=True), st.from_regex(SLOPPY_KEY, fullmatch=True))
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


def has_odd_key(value):
    if isinstance(value, list):
        return any(map(has_odd_key, value))
    return isinstance(value, dict) and any(not KEY.fullmatch(k) or has_odd_key(v) for k, v in value.items())


@given(thought=TEXTS.map(str.strip), text=TEXTS.map(str.strip), calls=CALLS)
@settings(max_examples=150)
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
    assert [call.repaired for call in reply.tool_calls] == [has_odd_key(arguments) for _, arguments in calls]
    assert reply.message() == message
    assert tokenizer.apply_chat_template([USER, reply.message()]) == rendered


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_a_call_that_could_not_be_read_stays_in_the_conversation(tokenizer, revision):
    reply = parse_reply("<|tool_call>call:f{city:Paris}<tool_call|>")
    rendered = tokenizer.apply_chat_template([USER, reply.message()], revision=revision)
    assert '<|tool_call>call:f{unread:<|"|>call:f{city:Paris}<|"|>}<tool_call|>' in rendered


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
@settings(max_examples=300)
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


# Markers that the model quotes

CALL = "<|tool_call>call:f{}<tool_call|>"


def quoted(tokenizer, text):
    """The ids of a text in which ordinary tokens spell the markers."""
    ids = [i for character in text for i in tokenizer.encode(character)]
    assert not any(tokenizer.native.is_special(i) for i in ids)
    return ids


@given(pieces=st.lists(st.tuples(st.booleans(), st.sampled_from(PIECES))), data=st.data())
@settings(max_examples=200)
def test_only_ids_are_markers(tokenizer, pieces, data):
    """The same reply with its quoted markers replaced by letters has the same parts with the same letters."""
    letters = {marker: chr(ord("α") + i) for i, marker in enumerate(MARKERS)}
    ids, plain_ids = [], []
    for is_quoted, piece in pieces:
        ids += quoted(tokenizer, piece) if is_quoted else tokenizer.encode(piece)
        for marker in MARKERS if is_quoted else ():
            piece = piece.replace(marker, letters[marker])
        plain_ids += tokenizer.encode(piece)

    def replaced(text):
        for marker in MARKERS:
            text = text.replace(marker, letters[marker])
        return text

    reply, plain = decode_reply(tokenizer, ids), decode_reply(tokenizer, plain_ids)
    assert (replaced(reply.thought), replaced(reply.text)) == (plain.thought, plain.text)
    assert len(reply.tool_calls) == len(plain.tool_calls)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=6)))
    decoder = ReplyDecoder(tokenizer)
    split = [ids[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(ids)], strict=True)]
    assert Reply.from_events(push_all(decoder, split)) == reply


def test_a_quoted_call_is_text(tokenizer):
    ids = (
        tokenizer.encode("Write ")
        + quoted(tokenizer, CALL + "<turn|><eos>")
        + tokenizer.encode("." + CALL + "<turn|>x")
    )
    expected = Reply("", f"Write {CALL}<turn|><eos>.", [ToolCall("f", {}, "call:f{}")])
    assert decode_reply(tokenizer, ids) == expected
    assert decode_reply(tokenizer, ids, text=tokenizer.decode(ids)) == expected
    assert Reply.from_events(push_all(ReplyDecoder(tokenizer), [[i] for i in ids])) == expected
    assert expected.message()["content"] == expected.text
    only = quoted(tokenizer, CALL)  # without any marker, the whole reply is read from its text
    assert decode_reply(tokenizer, only, text=tokenizer.decode(only)) == Reply("", CALL, [])


def test_a_quoted_marker_stays_text_in_the_conversation(tokenizer):
    """Only the calls that are real have a marker in the ids of the next prompt."""
    ids = tokenizer.encode("Write ") + quoted(tokenizer, CALL) + tokenizer.encode(CALL)
    message = decode_reply(tokenizer, ids).message()
    assert message["content"] == f"Write {CALL}"
    prompt = tokenizer.apply_chat_template([USER, message], tokenize=True)
    assert prompt.count(tokenizer.native.find("<|tool_call>")) == 1
    assert f"Write {CALL}{CALL}" in tokenizer.decode(prompt, skip_special_tokens=False)


def test_a_quoted_thought_is_text(tokenizer):
    ids = tokenizer.encode("<|channel>thought\nso") + quoted(tokenizer, "<channel|>") + tokenizer.encode("a<channel|>b")
    assert decode_reply(tokenizer, ids) == Reply("so<channel|>a", "b", [])
    opened = quoted(tokenizer, "<|channel>thought\n")
    assert decode_reply(tokenizer, tokenizer.encode("a"), context=opened) == Reply("", "a", [])
    assert ReplyDecoder(tokenizer).push(quoted(tokenizer, "<|chan")) == [TextDelta("<|chan")]  # nothing to wait for


def test_a_quoted_quote_is_a_part_of_the_string(tokenizer):
    begin, end = (tokenizer.encode(part) for part in ('<|tool_call>call:f{a:<|"|>x', 'y<|"|>,b:1}<tool_call|>'))
    ids = begin + quoted(tokenizer, '<|"|>}<tool_call|>') + end
    (call,) = decode_reply(tokenizer, ids).tool_calls
    assert (call.arguments, call.repaired) == ({"a": 'x<|"|>}<tool_call|>y', "b": 1}, False)
    ids = tokenizer.encode("<|tool_call>") + quoted(tokenizer, WEATHER) + tokenizer.encode("<tool_call|>")
    (call,) = decode_reply(tokenizer, ids).tool_calls  # within a call, quotes that are spelt out can only mean quotes
    assert (call.arguments, call.repaired) == (ARGUMENTS, True)


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
