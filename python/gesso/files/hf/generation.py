"""Turns generation_config.json of a checkpoint into GGUF metadata: the sampler's settings and the end tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from gesso import _native
from gesso._native import FormatError, OptionKind
from gesso.files.checkpoint import Value, short
from gesso.files.hf.config import Fields, read_json, require_json
from gesso.files.hf.known_fields import GENERATION, SAMPLER, check_fields

REFERENCE_END = 1  # the reference's default for a text config without eos_token_id


def read_generation_metadata(directory: Path, tokenizer: Mapping[str, Value], vocab_size: int) -> dict[str, Value]:
    """Returns the keys of the options' defaults. `gesso.end_token_ids`, all ids that end a text, is always there.

    tokenizer: the `tokenizer.*` keys; none for a folder without a tokenizer.
    """
    generation = read_json(directory / "generation_config.json")
    metadata = _read_sampler(generation) if generation else {}
    listed = generation.integers("eos_token_id") if generation else None
    ends = listed
    if ends is None:
        ends = _end_tokens(require_json(directory / "config.json"), tokenizer)
    # An id outside of the vocabulary is never drawn. But a list that nothing remains of would let a chat run on.
    drawn = [i for i in dict.fromkeys(ends) if i < vocab_size]
    if ends and not drawn:
        file = directory / ("generation_config.json" if generation and listed else "config.json")
        raise FormatError(f"{file}: eos_token_id: expected an id below vocab_size {vocab_size}, got {short(ends)}")
    metadata["gesso.end_token_ids"] = drawn
    return metadata


def _end_tokens(config: Fields, tokenizer: Mapping[str, Value]) -> list[int]:
    """Returns the ids that end a text where generation_config.json lists none.

    They are those that config.json and the tokenizer name, and the tokens that end a turn, as far as the vocabulary has
    their names: in the released model they are {1, 106, 50}, of which its config.json names only 1 and 106.
    """
    named = [i for fields in (config, config.object("text_config")) for i in fields.integers("eos_token_id") or ()]
    named = named or [REFERENCE_END]
    if "tokenizer.ggml.eos_token_id" in tokenizer:
        named.append(cast(int, tokenizer["tokenizer.ggml.eos_token_id"]))
    names, tokens = _native.end_token_names(), cast(list[str], tokenizer.get("tokenizer.ggml.tokens", []))
    return named + [i for i, token in enumerate(tokens) if token in names]


def _read_sampler(generation: Fields) -> dict[str, Value]:
    """Returns the options' defaults that generation_config.json sets, by their GGUF keys. Null means not set."""
    check_fields(generation, GENERATION)
    given = {name for name, value in generation.values.items() if value is not None}
    metadata: dict[str, Value] = {}
    for option in _native.generation_options():
        # The entropy bound has a place of its own, below.
        if option.name == "entropy_bound" or option.name not in given or not option.checkpoint_key:
            continue
        if option.kind == OptionKind.INT:
            metadata[option.checkpoint_key] = generation.integer(option.name, least=int(option.least))
        elif option.kind == OptionKind.FLOAT:
            metadata[option.checkpoint_key] = generation.number(option.name)
    if "sampler_config" in given:
        sampler = generation.object("sampler_config")
        check_fields(sampler, SAMPLER)
        metadata["diffusion.eb_entropy_bound"] = sampler.number("entropy_bound")
    return metadata
