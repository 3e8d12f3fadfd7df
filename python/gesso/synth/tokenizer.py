"""Makes a tokenizer of any size. Special tokens have the ids that they have in the released model."""

from __future__ import annotations

import itertools
from pathlib import Path

from gesso.files.checkpoint import Value
from gesso.files.hf.tokenizer import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_USER_DEFINED

# The ids and texts of the released model's special tokens. In a GGUF file, CONTROL are control tokens. VISIBLE are
# user-defined tokens, which llama.cpp shows in decoded text.
CONTROL = {
    0: "<pad>",
    1: "<eos>",
    2: "<bos>",
    3: "<unk>",
    4: "<mask>",
    46: "<|tool>",
    47: "<tool|>",
    98: "<|think|>",
    105: "<|turn>",
    106: "<turn|>",
    255999: "<|image>",
    256000: "<|audio>",
    258880: "<|image|>",
    258881: "<|audio|>",
    258882: "<image|>",
    258883: "<audio|>",
    258884: "<|video|>",
}
VISIBLE = {
    48: "<|tool_call>",
    49: "<tool_call|>",
    50: "<|tool_response>",
    51: "<tool_response|>",
    52: '<|"|>',
    100: "<|channel>",
    101: "<channel|>",
}
FIRST_BYTE = 238  # the id of <0x00>
LINE_BREAKS = {107: "\n", 108: "\n\n", 109: "\n\n\n"}
SPACE, SPACE_ID = "▁", 236743
MERGES = ("t h", "th e", "h e", "i n", "a n", "an d", "▁ the", "▁ and", "▁ in", "▁ a", "\n \n", "\n\n \n")
UNKNOWN = 3


def _tokens(vocab_size: int) -> tuple[list[str], list[int]]:
    """Returns the texts and types of all tokens. Tokens whose id is outside the vocabulary are left out."""
    fixed = {i: (text, TOKEN_CONTROL) for i, text in CONTROL.items()}
    fixed |= {i: (text, TOKEN_USER_DEFINED) for i, text in VISIBLE.items()}
    fixed |= {i: (text, TOKEN_NORMAL) for i, text in LINE_BREAKS.items()}
    if vocab_size >= FIRST_BYTE + 256:
        fixed |= {FIRST_BYTE + byte: (f"<0x{byte:02X}>", TOKEN_BYTE) for byte in range(256)}
    if vocab_size > SPACE_ID:
        fixed[SPACE_ID] = (SPACE, TOKEN_NORMAL)
    taken = {text for text, _ in fixed.values()}
    texts = [SPACE, *map(chr, range(ord("!"), ord("~") + 1)), *(merge.replace(" ", "") for merge in MERGES)]
    words = itertools.chain((text for text in texts if text not in taken), (f"▁w{i}" for i in itertools.count()))
    rows = [fixed[i] if i in fixed else (next(words), TOKEN_NORMAL) for i in range(vocab_size)]
    return [text for text, _ in rows], [kind for _, kind in rows]


def synth_tokenizer_metadata(vocab_size: int) -> dict[str, Value]:
    """Returns the `tokenizer.*` keys.

    The vocabulary has special tokens, byte tokens, ASCII characters, a few merges, and words ▁w0, ▁w1, ... A vocabulary
    of fewer than 494 tokens has no byte tokens. With fewer than 5 tokens there is no tokenizer.
    """
    if vocab_size <= max(UNKNOWN, 4):
        return {}
    tokens, types = _tokens(vocab_size)
    known = set(tokens)
    merges = [merge for merge in MERGES if known.issuperset((*merge.split(" "), merge.replace(" ", "")))]
    metadata: dict[str, Value] = {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-1000.0] * vocab_size,  # nothing uses them, but llama.cpp expects them in the file
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
    }
    for name, token in (("bos", 2), ("eos", 1), ("unknown", UNKNOWN), ("padding", 0), ("mask", 4)):
        metadata[f"tokenizer.ggml.{name}_token_id"] = token
    if "<turn|>" in known:
        template = Path(__file__).with_name("chat_template.jinja")
        metadata["tokenizer.chat_template"] = template.read_text(encoding="utf-8")
    metadata |= {"tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.add_bos_token": True}
    return metadata
