"""Chat templates: gesso renders conversations as the published template does, and prepares messages and tokens."""

import json
import re
from pathlib import Path

import pytest

import gesso
from gesso import _ops, synth
from gesso.calls.reader import MAX_DEPTH, MAX_DIGITS
from gesso.tokenizer import Tokenizer
from python.expect import raises
from python.tiny_model import BOS, tiny_model

# 18 conversations, each with what three revisions of the published template make of it.
GOLDENS = json.loads((Path(__file__).parents[2] / "golden/chat/goldens.json").read_text(encoding="utf-8"))
TEMPLATE = (Path(synth.__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
# gesso renders these conversations in another way than the template alone, because it prepares the messages first.
PREPARED = {"call_strargs", "resp_dict"}
CASES = [(case, revision) for case in GOLDENS["cases"] for revision in (1, 2, 3)]
READS = "{{ '' if messages }}"  # makes a chat template of a piece of Jinja that reads no messages itself
USER = {"role": "user", "content": "hi"}

TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gesso.load(tiny_model(tmp_path_factory.mktemp("models") / "chat.gguf", chat_template=TEMPLATE))


@pytest.fixture(scope="module")
def tokenizer(model):
    return model.tokenizer


def call(arguments):
    return {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}


LISTS = "[" * MAX_DEPTH + "]" * MAX_DEPTH
OBJECTS = "{a:" * MAX_DEPTH + "1" + "}" * MAX_DEPTH


@pytest.mark.parametrize("revision", [1, 2, 3])
@pytest.mark.parametrize("value", [LISTS, OBJECTS, "-" + "9" * MAX_DIGITS], ids=["lists", "objects", "digits"])
def test_a_call_that_was_read_is_rendered(tokenizer, value, revision):
    """At the limits of the reader, and beyond, where the call is kept as a text."""

    def render(value):
        reply = gesso.parse_reply(f"<|tool_call>call:f{{a:{value}}}<tool_call|>")
        return reply.tool_calls[0].error, tokenizer.apply_chat_template([USER, reply.message()], revision=revision)

    error, text = render(value)
    assert error is None and f"<|tool_call>call:f{{a:{value}}}<tool_call|>" in text
    larger = value + "9" if "9" in value else f"[{value}]"
    error, text = render(larger)
    assert "expected a" in error and f'unread:<|"|>call:f{{a:{larger}}}<|"|>' in text


def test_all_goldens_are_there():
    assert len(CASES) == 54
    assert all(set(x) == {"v1", "v2", "v3"} for x in GOLDENS["rendered"].values())


@pytest.mark.parametrize(("case", "revision"), CASES)
def test_golden(tokenizer, case, revision):
    conversation, expected = GOLDENS["cases"][case], GOLDENS["rendered"][case][f"v{revision}"]
    error = re.match(r"ERROR (\w+)\(", expected)

    def render(messages, **variables):
        return tokenizer._render(messages, None, {"revision": revision} | variables)

    if case not in PREPARED:
        assert tokenizer.apply_chat_template(revision=revision, **conversation) == expected
    elif error:
        with raises(ValueError, f"chat template: {error[1]}: "):
            render(**conversation)
    else:
        assert render(**conversation) == expected


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_arguments_as_json_text_are_parsed_first(tokenizer, revision):
    def render(arguments):
        return tokenizer.apply_chat_template(
            [USER, {"role": "assistant", "content": None, "tool_calls": [call(arguments)]}], revision=revision
        )

    assert render('{"city": "Paris", "n": [1, true]}') == render({"city": "Paris", "n": [1, True]})
    assert "<|tool_call>call:f{n:[1,true]}<tool_call|>" in render('{"n": [1, true]}')
    for empty in ("", "null", "{}", None):
        assert render(empty).endswith("<|tool_call>call:f{}<tool_call|><|tool_response>")
    for bad in ("{", " ", "[1]", '"{}"', "[" * 100_000):
        with raises(ValueError, r"messages\[1\].tool_calls\[0\].function.arguments: expected a JSON object"):
            render(bad)


def test_a_result_that_is_an_object_becomes_json_text(tokenizer):
    result = {"role": "tool", "tool_call_id": "1", "content": {"t": 20, "s": "é<"}}
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": [call({})]}, result]
    text = tokenizer.apply_chat_template(messages)
    assert text.endswith('<|tool_response>response:f{value:<|"|>{"t": 20, "s": "é<"}<|"|>}<tool_response|>')
    assert result["content"] == {"t": 20, "s": "é<"}, "the caller's messages were changed"


def test_several_calls_and_results_in_one_turn(tokenizer):
    second = {"id": "2", "type": "function", "function": {"name": "g", "arguments": {}}}
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call({}), second]},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "one"}]},
        {"role": "tool", "tool_call_id": "3", "content": ""},
    ]
    assert tokenizer.apply_chat_template(messages).partition("<|turn>model\n")[2] == (
        "<|tool_call>call:f{}<tool_call|><|tool_call>call:g{}<tool_call|>"
        '<|tool_response>response:g{value:<|"|>two<|"|>}<tool_response|>'
        '<|tool_response>response:f{value:<|"|>one<|"|>}<tool_response|>'
        '<|tool_response>response:unknown{value:<|"|><|"|>}<tool_response|>'
    )


# <bos>


def test_bos_is_never_there_twice(model, tokenizer):
    text = tokenizer.apply_chat_template([USER])
    ids = tokenizer.apply_chat_template([USER], tokenize=True)
    assert text.startswith("<bos>")
    assert ids == tokenizer.encode(text) == tokenizer.encode_prompt(text)
    assert ids[0] == BOS
    assert ids.count(BOS) == 1
    outputs = [model.generate(prompt, max_new_tokens=8).sequences for prompt in (text, ids)]
    assert outputs[0] == outputs[1]
    session = model.session()
    session.generate(text, max_new_tokens=8)
    assert session.ids[0][: len(ids)] == ids


def test_bos_is_there_even_if_the_template_forgets_it(tmp_path):
    template = "{{ messages[0].content }}"
    tokenizer = gesso.load(tiny_model(tmp_path / "forgets.gguf", chat_template=template)).tokenizer
    assert tokenizer.apply_chat_template([USER]) == "hi"
    assert tokenizer.apply_chat_template([USER], tokenize=True) == [BOS, *tokenizer.encode("hi")]


# The ids that the published tokenizer gives two rendered conversations. The test makes a vocabulary of the same size,
# in which these tokens have the same ids. It needs no other tokens of the published one.
SPECIAL = {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>"}
SPECIAL |= {48: "<|tool_call>", 49: "<tool_call|>", 50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>'}
SPECIAL |= {98: "<|think|>", 100: "<|channel>", 101: "<channel|>", 105: "<|turn>", 106: "<turn|>"}
WORDS = {107: "\n", 2364: "user", 4368: "model", 45518: "thought", 11355: "Why", 563: "▁is", 506: "▁the", 7217: "▁sky"}
WORDS |= {3730: "▁blue", 236881: "?", 818: "The", 3282: "▁reason", 1547: "▁because"}
PUBLISHED = [
    (1, "Why is the sky blue?", "11355 563 506 7217 3730 236881", "100 45518 107 101"),
    (2, "The reason the sky is blue is because", "818 3282 506 7217 563 3730 563 1547", ""),
]


def published_vocabulary():
    tokens = {i: (text, 3) for i, text in SPECIAL.items()} | {i: (text, 1) for i, text in WORDS.items()}
    texts = {text for text, _ in tokens.values()}
    free = (i for i in range(200_000) if i not in tokens and not 238 <= i < 494)
    merges = []
    for word in sorted(WORDS.values(), reverse=True):  # merges build each word from left to right; words with ▁ first
        for end in range(1, len(word) + 1):
            for part in {word[:end], word[end - 1]} - texts:
                tokens[next(free)] = (part, 1)
                texts.add(part)
            if end > 1 and f"{word[: end - 1]} {word[end - 1]}" not in merges:
                merges.append(f"{word[: end - 1]} {word[end - 1]}")
    tokens |= {238 + byte: (f"<0x{byte:02X}>", 6) for byte in range(256)}
    pairs = [tokens.get(i, (f"<unused{i}>", 1)) for i in range(262_144)]
    return {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": [text for text, _ in pairs],
        "tokenizer.ggml.token_type": [kind for _, kind in pairs],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.chat_template": TEMPLATE,
    }


def test_published_ids():
    tokenizer = Tokenizer(_ops.make_tokenizer(published_vocabulary()))
    for revision, text, text_ids, thought_ids in PUBLISHED:
        messages = [{"role": "user", "content": text}]
        rendered = tokenizer.apply_chat_template(messages, revision=revision, tokenize=True)
        assert " ".join(map(str, rendered)) == f"2 105 2364 107 {text_ids} 106 107 105 4368 107 {thought_ids}".strip()


# Templates run in the environment that transformers gives them.


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ messages[0] | tojson }}", '{"role": "user", "content": "hi"}'),
        ("{{ {'b': '<é&>', 'a': 1} | tojson }}", '{"b": "<é&>", "a": 1}'),
        ("{{ [1, 2] | tojson(indent=1) }}", "[\n 1,\n 2\n]"),
        ("{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=true) }}", '{"a":2,"b":1}'),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("a{% generation %}b{{ messages[0].content }}{% endgeneration %}c", "abhic"),
        ("{{ strftime_now('%%') }}", "%"),
        ("  {% if true %}\nx\n  {% endif %}\ny", "x\ny"),
        ("{{ tools is none }}{{ add_generation_prompt }}{{ enable_thinking }}{{ extra }}", "TrueTrueFalse7"),
        ("{{ bos_token }}{{ eos_token }}{{ unk_token }}{{ pad_token }}", "<bos><eos><unk><pad>"),
        ("{{ documents is none }}", "True"),
    ],
)
def test_environment(tmp_path, source, expected):
    tokenizer = gesso.load(tiny_model(tmp_path / "tiny.gguf", chat_template=source + READS)).tokenizer
    variables = {"extra": 7} if "extra" in source else {}
    assert tokenizer.apply_chat_template([USER], **variables) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% if %}", "chat template: cannot be compiled: line 1: "),
        ("{{ raise_exception('no ' + messages[0].content) }}", "chat template: TemplateError: no hi"),
        ("{{ messages[0].a.b }}", "chat template: UndefinedError"),
        ("{{ ''.__class__.__mro__ }}", "chat template: SecurityError"),
        ("{{ messages.append(1) }}", "chat template: SecurityError"),
        (
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "chat template: LimitError: its macros call",
        ),
        ("{{ 1 // 0 }}", "chat template: ZeroDivisionError"),
    ],
)
def test_a_template_that_fails_is_a_clear_error(tmp_path, source, message):
    tokenizer = gesso.load(tiny_model(tmp_path / "tiny.gguf", chat_template=source + READS)).tokenizer
    with raises(ValueError, message):
        tokenizer.apply_chat_template([USER])


# What is given is used, or refused.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"enable_thinkin": True}, "enable_thinkin: .* did you mean enable_thinking?"),
        ({"add_generation_promt": False}, "did you mean add_generation_prompt?"),
        ({"Tools": []}, "did you mean tools?"),
        ({"tokenise": True}, "did you mean tokenize?"),
        ({"chat_templat": "x"}, "did you mean chat_template?"),
        ({"add_generation_promt": True}, "did you mean add_generation_prompt?"),
        (
            {"reasoning": "high"},
            "reasoning: the chat template reads no variable of this name; it reads add_gen[a-z_, ]*$",
        ),
        ({"content": "XX"}, "content: the chat template reads no variable of this name"),
        ({"role": "user"}, "role: the chat template reads no variable of this name"),
        ({"return_tensors": "pt"}, "return_tensors: the chat template reads no variable of this name; it reads "),
        ({"documents": [{"text": "a"}]}, "documents: the chat template reads no variable of this name"),
    ],
)
def test_an_argument_that_the_template_does_not_read_is_an_error(tokenizer, arguments, message):
    for tokenize in (False, True):
        with raises(TypeError, message):
            tokenizer.apply_chat_template([USER], tokenize=tokenize, **arguments)


@pytest.mark.parametrize("arguments", [{"tools": [TOOL]}, {"enable_thinking": True}, {"add_generation_prompt": False}])
def test_a_template_that_would_ignore_what_is_given(tokenizer, arguments):
    with raises(TypeError, "the chat template reads no variable of this name; it reads messages"):
        tokenizer.apply_chat_template([USER], chat_template="{{ messages[0].content }}", **arguments)
    nothing = {"tools": [], "documents": [], "enable_thinking": False}
    assert tokenizer.apply_chat_template([USER], chat_template="{{ messages[0].content }}", **nothing) == "hi"


def test_another_template(tmp_path, tokenizer):
    source = "{{ messages[0].content }}!"
    assert tokenizer.apply_chat_template([USER], chat_template=source) == "hi!"
    assert tokenizer.chat_template == TEMPLATE
    for given in (None, TEMPLATE):
        path = tiny_model(tmp_path / "other.gguf", chat_template=given)
        loaded = gesso.load(path, chat_template=source).tokenizer
        assert loaded.chat_template == source
        assert loaded.apply_chat_template([USER]) == "hi!"
        assert loaded.apply_chat_template([USER], tokenize=True) == [BOS, *loaded.encode("hi!")]
    assert tokenizer.apply_chat_template([USER], chat_template="\ufeff" + source) == "hi!"  # the mark of some editors
    with raises(ValueError, "chat template: cannot be compiled: line 2: "):
        tokenizer.apply_chat_template([USER], chat_template="a\n{% if %}")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (5, TypeError, "chat_template: expected the source of a template as a string, got int"),
        (Path("chat_template.jinja"), TypeError, "chat_template: expected .* as a string, got PosixPath"),
        ("chat_template.jinja", ValueError, "reads the variable messages, got 'chat_template.jinja'"),
        ("", ValueError, "reads the variable messages, got ''"),
        ("x" * 9999, ValueError, "messages, got 'x{60}...'"),
        ("{% set messages = [] %}{{ messages }}", ValueError, "reads the variable messages"),
        ("{{ messages ", ValueError, "cannot be compiled: line 1: "),
    ],
)
def test_what_is_no_template_is_refused(tmp_path, tokenizer, source, error, message):
    with raises(error, message):
        tokenizer.apply_chat_template([USER], chat_template=source)
    with raises(error, message):  # before the file is opened, since weights may take minutes
        gesso.load(tmp_path / "missing.gguf", chat_template=source)
    with raises(error, message):
        Tokenizer(tokenizer.native, source)


def test_a_template_of_a_checkpoint_that_reads_no_messages(tmp_path):
    tokenizer = gesso.load(tiny_model(tmp_path / "hello.gguf", chat_template="hello")).tokenizer
    with raises(ValueError, "reads the variable messages, got 'hello'"):
        tokenizer.apply_chat_template([USER])


def test_without_a_template(tmp_path):
    tokenizer = gesso.load(tiny_model(tmp_path / "bare.gguf", chat_template=None)).tokenizer
    assert tokenizer.chat_template is None
    with raises(ValueError, "this checkpoint has no chat template; give one as chat_template"):
        tokenizer.apply_chat_template([USER], tokenize=True)
