"""Words that a fine-tune has added to the vocabulary are text; markers of the chat format are not."""

import json

import pytest

import gesso
from gesso.files.hf.folder import read_checkpoint
from gesso.files.hf.tokenizer import VISIBLE
from gesso.reply import MARKERS, decode_reply
from gesso.synth import tokenizer as synth_tokenizer
from python.api.test_reply import chat_model
from python.command_line import run
from python.hf_folders import hf_folder, tokenizer
from python.tiny_model import VOCABULARY, tiny_model, tokenizer_metadata

USER_DEFINED = 4
WORDS = {"<word>": False, "two words": False, "Ünit": False, "<|tool_call>": False, "<|separator|>": True}


@pytest.fixture(scope="module", params=["folder", "gguf"])
def model(request, tmp_path_factory):
    """A folder whose tokenizer.json has the words, each with its flag `special`; and the GGUF file made of it."""
    directory = tmp_path_factory.mktemp("models")
    folder = hf_folder(directory / "folder", vocab_size=len(VOCABULARY) + 32, canvas_length=32)
    words = tokenizer()
    words["added_tokens"] += [
        {"id": len(VOCABULARY) + i, "content": word, "special": special, "normalized": not special}
        for i, (word, special) in enumerate(WORDS.items())
    ]
    (folder / "tokenizer.json").write_text(json.dumps(words))
    if request.param == "folder":
        return gesso.load(folder)
    status, _, error = run("convert", str(folder), str(directory / "model.gguf"))
    assert status == 0, error
    return gesso.load(directory / "model.gguf")


def test_words_are_in_texts_and_replies(model):
    said = "a<word>two words<|separator|> Ünit<|tool_call>"
    ids = model.tokenizer.encode(said)
    added = range(len(VOCABULARY), len(VOCABULARY) + len(WORDS))
    assert [i for i in ids if i in added] == [added[0], added[1], added[4], added[2], added[3]]
    assert [model.tokenizer.native.is_special(i) for i in added] == [False, False, False, True, True]
    out = model.generate("a", pinned=dict(enumerate([*ids, 1])), max_new_tokens=32)
    assert out.sequences == [ids]
    assert out.texts == ["a<word>two words Ünit"]
    assert out.replies[0].text == "a<word>two words Ünit"
    assert model.tokenizer.decode(ids, skip_special_tokens=False) == said


def test_ids_without_a_token_have_no_text(model):
    hole = len(VOCABULARY) + len(WORDS)
    assert model.tokenizer.decode([VOCABULARY.index("a"), hole, VOCABULARY.index("the")]) == "athe"
    assert decode_reply(model.tokenizer, [VOCABULARY.index("a"), hole]).text == "a"


def test_a_word_ends_a_run_of_bytes_while_it_streams(model):
    first, second = (VOCABULARY.index(f"<0x{byte:02X}>") for byte in "é".encode())
    word = len(VOCABULARY)
    decoder = gesso.ReplyDecoder(model.tokenizer)
    assert decoder.push([first]) == []
    assert decoder.push([second]) == []
    assert decoder.push([word]) == [gesso.TextDelta("é<word>")]
    assert decoder.push([first, word]) + decoder.flush() == [gesso.TextDelta("\ufffd<word>")]


def test_markers_are_special_whatever_their_type(tmp_path):
    """The marker lists of Python and of the native tokenizer agree."""
    spelled = {*MARKERS, *VISIBLE, *synth_tokenizer.VISIBLE.values(), *synth_tokenizer.CONTROL.values()}
    new = sorted(spelled - set(VOCABULARY))
    types = tokenizer_metadata(None)["tokenizer.ggml.token_type"] + [USER_DEFINED] * len(new)
    metadata = {"tokenizer.ggml.tokens": VOCABULARY + new, "tokenizer.ggml.token_type": types}
    path = tiny_model(tmp_path / "m.gguf", metadata=metadata, vocab_size=len(types))
    native = gesso.load(path).tokenizer.native
    assert [marker for marker in new if not native.is_special(native.find(marker))] == []
    assert set(synth_tokenizer.VISIBLE.values()) == VISIBLE


def test_a_marker_of_another_type_is_no_marker(tmp_path):
    """A vocabulary in which a marker's spelling is an ordinary token has only text."""
    path = chat_model(tmp_path / "m.gguf", added_type=1)
    chat = gesso.load(path).tokenizer
    ids = [chat.native.find("<|channel>"), chat.native.find("a")]
    assert decode_reply(chat, ids) == gesso.Reply("", "<|channel>a", [])
    assert decode_reply(chat, ids[1:], ids[:1]) == gesso.Reply("", "a", [])


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"lstrip": True}, "lstrip: expected False"),
        ({"rstrip": True}, "rstrip: expected False"),
        ({"single_word": True}, "single_word: expected False"),
        ({"normalized": True, "content": "two▁words"}, "normalized: expected false"),
    ],
)
def test_flags_that_change_what_is_found_are_refused(tmp_path, flags, named):
    folder = hf_folder(tmp_path / "folder")
    words = tokenizer()
    word = {"id": len(VOCABULARY) - 1, "content": "<word>", "special": False}
    words["added_tokens"].append(word | {"lstrip": False, "rstrip": False, "single_word": False} | flags)
    (folder / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(ValueError, match=rf"tokenizer.json: added_tokens.{named}"):
        read_checkpoint(folder)
