"""Turns tokenizer.json and the files beside it into GGUF metadata: vocabulary, merges, special ids, chat template."""

from __future__ import annotations

import re
from pathlib import Path

from gesso import _native
from gesso._native import FormatError
from gesso.files.checkpoint import Value, short
from gesso.files.hf.config import Fields, read_json
from gesso.files.hf.folder_file import read_text
from gesso.files.hf.known_fields import ADDED_TOKEN, TOKENIZER, TOKENIZER_CONFIG, TOKENIZER_MODEL, check_fields

TOKEN_NORMAL, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE = 1, 3, 4, 5, 6
NO_SCORE = -1000.0  # llama.cpp's converter writes this score for every token, so scores tell nothing about their order
# GGUF files have these special tokens as user-defined tokens, as they have the words that a fine-tune adds
# (`special: false`). The native tokenizer tells them apart by their spelling.
VISIBLE = {
    "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>', "<|channel>", "<channel|>"
}  # fmt: skip
SPACES_TO_UNDERSCORES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
# The released tokenizer has these. The first finds nothing, because the normalizer has replaced all spaces.
SPLIT_AT_SPACES = {
    "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False
}  # fmt: skip
UNDERSCORES_TO_SPACES = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
DECODER = {"type": "Sequence", "decoders": [UNDERSCORES_TO_SPACES, {"type": "ByteFallback"}, {"type": "Fuse"}]}


def _check_steps(tokenizer: Fields) -> None:
    """Checks the steps around the model: what happens to a text before it, and to tokens after it."""
    if tokenizer.values.get("normalizer") != SPACES_TO_UNDERSCORES:
        raise tokenizer.error("normalizer", "the replacement of ' ' by '▁' and nothing else")
    if tokenizer.values.get("pre_tokenizer") not in (None, SPLIT_AT_SPACES):
        raise tokenizer.error("pre_tokenizer", "nothing, or a split at ' ' that is merged with the previous part")
    if tokenizer.values.get("decoder") not in (None, DECODER):
        raise tokenizer.error("decoder", "'▁' to ' ', then byte fallback, then a join")
    after = tokenizer.values.get("post_processor")
    if after is not None and not _adds_nothing_but_bos(after):
        raise tokenizer.error("post_processor", "nothing, or a template that puts at most <bos> before a text")


def _adds_nothing_but_bos(template: object) -> bool:
    """Whether a post-processor leaves a text's tokens as they are, or puts <bos> before them.

    Whether a prompt begins with <bos> is decided by `add_bos_token`, and templates of chats have it in their text.
    """
    if not isinstance(template, dict) or template.get("type") != "TemplateProcessing":
        return False
    single = template.get("single")
    pieces = single if isinstance(single, list) else [None]
    if pieces and isinstance(pieces[0], dict) and "SpecialToken" in pieces[0]:
        token = pieces[0]["SpecialToken"]
        if not isinstance(token, dict) or token.get("id") != "<bos>":
            return False
        pieces = pieces[1:]
    return len(pieces) == 1 and isinstance(pieces[0], dict) and pieces[0].keys() == {"Sequence"}


def _read_vocabulary(tokenizer: Fields, vocab_size: int) -> tuple[dict[str, Value], list[str]]:
    """Reads tokens, their types and the merges from tokenizer.json. An id without a token becomes an unused token.

    Returns the metadata, and beside it the tokens by id.
    """
    model = tokenizer.object("model")
    check_fields(model, TOKENIZER_MODEL)
    if not model.values.get("byte_fallback"):
        raise model.error("byte_fallback", "true")
    check_fields(tokenizer, TOKENIZER)
    _check_steps(tokenizer)
    ids = dict(model.object("vocab").values)
    added = [Fields(tokenizer.file, token, "added_tokens.") for token in tokenizer.array("added_tokens")]
    for token in added:
        if not isinstance(token.values.get("content"), str):
            raise token.error("content", "a string")
        check_fields(token, ADDED_TOKEN)
        if token.values.get("normalized") and "▁" in token.values["content"]:
            raise token.error("normalized", f"false for {token.values['content']!r}: ▁ stands for a space")
        ids[token.values["content"]] = token.integer("id", least=0)
    if len(ids) > vocab_size:
        raise FormatError(f"{tokenizer.file}: model.vocab: expected at most vocab_size {vocab_size}, got {len(ids)}")
    tokens = [f"<unused id {i}>" for i in range(vocab_size)]
    types = [TOKEN_UNUSED] * vocab_size
    for text, i in ids.items():
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < vocab_size:
            expected = f"expected below vocab_size {vocab_size}, got {short(i)}"
            raise FormatError(f"{tokenizer.file}: id of {short(text)}: {expected}")
        tokens[i] = text
        types[i] = TOKEN_BYTE if re.fullmatch(r"<0x[0-9A-F]{2}>", text) else TOKEN_NORMAL
    for token in added:
        hidden = token.values.get("special") and token.values["content"] not in VISIBLE
        types[token.values["id"]] = TOKEN_CONTROL if hidden else TOKEN_USER_DEFINED
    pairs = model.array("merges")
    if len(pairs) > _native.MAX_MERGES:
        raise FormatError(f"{tokenizer.file}: model.merges: expected at most {_native.MAX_MERGES}, got {len(pairs)}")
    merges = [" ".join(map(str, merge)) if isinstance(merge, list) else merge for merge in pairs]
    for merge in merges:
        if not isinstance(merge, str) or merge.count(" ") != 1:
            raise FormatError(f"{tokenizer.file}: model.merges: expected two tokens without spaces, got {short(merge)}")
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


def _adds_bos(directory: Path) -> bool:
    """Whether a prompt that is no chat gets <bos> in front of it. It does, unless tokenizer_config.json denies it."""
    config = read_json(directory / "tokenizer_config.json")
    if config is None:
        return True
    check_fields(config, TOKENIZER_CONFIG)
    adds = config.values.get("add_bos_token", True)
    if adds is not None and not isinstance(adds, bool):
        raise config.error("add_bos_token", "true or false")
    return adds is not False


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
    tokenizer = read_json(directory / "tokenizer.json", _native.MAX_TOKENIZER_BYTES)
    if tokenizer is None:
        return {}
    vocabulary, tokens = _read_vocabulary(tokenizer, vocab_size)
    metadata: dict[str, Value] = {"tokenizer.ggml.model": "gemma4", **vocabulary}
    metadata |= _read_special_ids(directory, {token: i for i, token in enumerate(tokens)})
    metadata |= {"tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.add_bos_token": _adds_bos(directory)}
    template = _read_chat_template(directory)
    if template:
        metadata["tokenizer.chat_template"] = template
    return metadata
