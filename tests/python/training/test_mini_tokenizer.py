"""The tokenizer of the small model "mini"."""

import re

import pytest

pytest.importorskip("tokenizers", reason="the package tokenizers, which only training needs, is not installed")

from mini import tokenizer as mini_tokenizer
from mini import words
from mini.generator import draw_dialogue
from mini.rendering import prompt_text, reply_text

from gesso.synth.tokenizer import CONTROL, FIRST_BYTE, LINE_BREAKS, VISIBLE


@pytest.fixture(scope="module")
def tokenizer():
    return mini_tokenizer.load()


def encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


def test_all_dialogues_come_back(tokenizer):
    for index in range(300):
        _, dialogue = draw_dialogue(9, index, held_out=index % 2 == 0)
        text = prompt_text(dialogue) + reply_text(dialogue)
        assert tokenizer.decode(encode(tokenizer, text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("text", ["", " ", "Grüße, 世界 🦙!", "\n\n\n\tx", "a  b", "<|turn>", "~`^|\\"])
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(encode(tokenizer, text).ids, skip_special_tokens=False) == text


def test_special_tokens_and_bytes_have_the_released_ids(tokenizer):
    for i, text in (CONTROL | VISIBLE | LINE_BREAKS).items():
        if i < tokenizer.get_vocab_size():
            assert tokenizer.token_to_id(text) == i
    assert tokenizer.token_to_id("<0x41>") == FIRST_BYTE + 0x41
    assert [tokenizer.token_to_id(text) for text in ("<eos>", "<turn|>", "<|tool_response>")] == list(
        mini_tokenizer.END_TOKENS
    )


def test_each_digit_is_one_token(tokenizer):
    assert encode(tokenizer, "12 + 345").tokens == ["1", "2", "▁+", "▁", "3", "4", "5"]
    assert not [token for token in tokenizer.get_vocab() if re.search(r"\d", token) and re.fullmatch(r"▁?\d.+", token)]


def test_no_token_goes_beyond_a_word(tokenizer):
    assert not [token for token in tokenizer.get_vocab() if "▁" in token[1:]]


def test_names_are_one_token(tokenizer):
    """A name of several tokens would be harder to copy."""
    for name in [*words.NAMES, *words.CITIES]:
        assert len(encode(tokenizer, name).ids) == 1, name
        assert len(encode(tokenizer, f" {name}").ids) == 1, name


def test_replies_fit_into_a_canvas(tokenizer):
    for index in range(1500):
        _, dialogue = draw_dialogue(11, index)
        assert len(encode(tokenizer, reply_text(dialogue)).ids) <= 64
        assert len(encode(tokenizer, prompt_text(dialogue)).ids) <= 200
