"""Token ids that a caller gives: what is no id is refused by name, and never cut to one."""

import numpy as np
import pytest

import gesso
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return gesso.load(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf")).tokenizer


def uses(tokenizer):
    return [tokenizer.decode, lambda ids: gesso.ReplyDecoder(tokenizer).push(ids)]


@pytest.mark.parametrize("ids", [[20.9], [True], ["20"], "20", [None], [np.float32(3)]])
def test_what_is_no_id(tokenizer, ids):
    for use in uses(tokenizer):
        with pytest.raises(TypeError, match="^ids: expected a list of token ids, got list"):
            use(ids)


@pytest.mark.parametrize("ids", [[2**40], [-1]])
def test_what_no_vocabulary_has(tokenizer, ids):
    for use in uses(tokenizer):
        with pytest.raises(gesso.ArgumentError, match=f"^ids: token id {ids[0]} outside the vocabulary"):
            use(ids)


@pytest.mark.parametrize("kind", [list, tuple, np.array, iter])
def test_every_kind_of_list_serves(tokenizer, kind):
    ids = tokenizer.encode("hello")
    assert tokenizer.decode(kind(ids)) == "hello"
    decoder = gesso.ReplyDecoder(tokenizer)
    assert [*decoder.push(kind(ids)), *decoder.flush()]


@pytest.mark.parametrize("text", [5, None, b"hello", ["hello"]])
def test_what_is_no_text(tokenizer, text):
    for use in (tokenizer.encode, tokenizer.encode_prompt):
        with pytest.raises(TypeError, match="^text: expected a str, got "):
            use(text)
