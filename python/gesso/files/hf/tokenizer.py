"""Turns tokenizer.json and the files beside it into GGUF metadata: vocabulary, merges, special ids, chat template."""

from __future__ import annotations

import re
from pathlib import Path

from gesso.files.checkpoint import Value
from gesso.files.hf.config import Fields, read_json, read_text

TOKEN_NORMAL, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE = 1, 3, 4, 5, 6
NO_SCORE = -1000.0  # llama.cpp's converter writes this score for every token, so scores tell nothing about their order
# GGUF files have these special tokens as user-defined tokens, as they have the words that a fine-tune adds
# (`special: false`). The native tokenizer tells them apart by their spelling.
VISIBLE = {
    "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<|channel>", "<channel|>"
}  # fmt: skip
SPACES_TO_UNDERSCORES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def _read_vocabulary(tokenizer: Fields, vocab_size: int) -> tuple[dict[str, Value], list[str]]:
    """Reads tokens, their types and the merges from tokenizer.json. An id without a token becomes an unused token.

    Returns the metadata, and beside it the tokens by id.
    """
    model = tokenizer.object("model")
    for name, only in {"type": "BPE", "byte_fallback": True, "ignore_merges": False, "dropout": 0.0}.items():
        model.fixed(name, only)
    if not model.values.get("byte_fallback"):
        raise model.error("byte_fallback", "true")
    if tokenizer.values.get("normalizer") != SPACES_TO_UNDERSCORES:
        raise tokenizer.error("normalizer", "the replacement of ' ' by '▁' and nothing else")
    ids = dict(model.object("vocab").values)
    added = [Fields(tokenizer.file, token, "added_tokens.") for token in tokenizer.array("added_tokens")]
    for token in added:
        if not isinstance(token.values.get("content"), str):
            raise token.error("content", "a string")
        for flag in (
            "lstrip",
            "rstrip",
            "single_word",
        ):  # they change what is found in a text; GGUF has no place for them
            token.fixed(flag, False)
        if token.values.get("normalized") and "▁" in token.values["content"]:
            raise token.error(
                "normalized", f"false, because {token.values['content']!r} has a ▁, which stands for a space"
            )
        ids[token.values["content"]] = token.integer("id", least=0)
    tokens = [f"<unused id {i}>" for i in range(vocab_size)]
    types = [TOKEN_UNUSED] * vocab_size
    for text, i in ids.items():
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < vocab_size:
            raise ValueError(f"{tokenizer.file}: id of {text!r}: expected below vocab_size {vocab_size}, got {i!r}")
        tokens[i] = text
        types[i] = TOKEN_BYTE if re.fullmatch(r"<0x[0-9A-F]{2}>", text) else TOKEN_NORMAL
    for token in added:
        hidden = token.values.get("special") and token.values["content"] not in VISIBLE
        types[token.values["id"]] = TOKEN_CONTROL if hidden else TOKEN_USER_DEFINED
    merges = [" ".join(map(str, merge)) if isinstance(merge, list) else merge for merge in model.array("merges")]
    for merge in merges:
        if not isinstance(merge, str) or merge.count(" ") != 1:
            raise ValueError(f"{tokenizer.file}: model.merges: expected two tokens without spaces, got {merge!r}")
    metadata: dict[str, Value] = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [NO_SCORE] * vocab_size,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
    }
    for key, special in (("unknown", model.values.get("unk_token")), ("mask", "<mask>")):
        if isinstance(special, str) and special in ids:
            metadata[f"tokenizer.ggml.{key}_token_id"] = ids[special]
    return metadata, tokens


def _read_special_ids(directory: Path, ids: dict[str, int]) -> dict[str, int]:
    """Reads the ids of the tokens that tokenizer_config.json names as beginning, end and padding.

    For names that it lacks, `config.py` takes the ids that config.json has.
    """
    config = read_json(directory / "tokenizer_config.json")
    metadata = {}
    for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
        token = config.values.get(f"{name}_token") if config else None
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and token in ids:
            metadata[f"tokenizer.ggml.{key}_token_id"] = ids[token]
    return metadata


def _read_chat_template(directory: Path) -> str | None:
    template = read_text(directory / "chat_template.jinja")
    if template is not None:
        return template
    config = read_json(directory / "tokenizer_config.json")
    if config is None:
        return None
    template = config.values.get("chat_template")
    if isinstance(template, list):  # there may be several templates, each with a name
        named = [Fields(config.file, entry, "chat_template").values for entry in template]
        template = next((entry.get("template") for entry in named if entry.get("name") == "default"), None)
    if template is not None and not isinstance(template, str):
        raise config.error("chat_template", "a string")
    return template


def read_tokenizer_metadata(directory: Path, vocab_size: int) -> dict[str, Value]:
    """Returns the `tokenizer.*` keys of a checkpoint folder. Without a tokenizer.json there are none."""
    tokenizer = read_json(directory / "tokenizer.json")
    if tokenizer is None:
        return {}
    vocabulary, tokens = _read_vocabulary(tokenizer, vocab_size)
    metadata: dict[str, Value] = {"tokenizer.ggml.model": "gemma4", **vocabulary}
    metadata |= _read_special_ids(directory, {token: i for i, token in enumerate(tokens)})
    metadata |= {"tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.add_bos_token": True}
    template = _read_chat_template(directory)
    if template:
        metadata["tokenizer.chat_template"] = template
    return metadata
