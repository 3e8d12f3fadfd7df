"""The tokenizer of a model: native encoding and decoding, and the chat template in Jinja."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gesso import _native


class Tokenizer:
    """Wraps the native tokenizer (`.native`) and adds the chat template a checkpoint carries."""

    def __init__(self, native: _native.Tokenizer):
        self.native = native

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`. Special tokens written out in it become their ids; no <bos> is added."""
        return self.native.encode(_check_unicode(text))

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Text of token ids; bytes that are no UTF-8 become U+FFFD."""
        return self.native.decode([int(i) for i in ids], skip_special_tokens)

    def stream_decoder(self, skip_special_tokens: bool = True) -> _native.StreamDecoder:
        """A decoder with push(ids) and flush() for ids that arrive bit by bit; it never returns half a character."""
        return _native.StreamDecoder(self.native, skip_special_tokens)

    def encode_prompt(self, text: str) -> list[int]:
        """Token ids of a prompt: with <bos> in front if the model wants one and the text does not begin with it."""
        return self.native.encode_prompt(_check_unicode(text))

    @property
    def vocab_size(self) -> int:
        return self.native.vocab_size

    @property
    def chat_template(self) -> str | None:
        """The Jinja source, or None if the checkpoint has none."""
        return self.native.chat_template or None

    @cached_property
    def _compiled_template(self) -> jinja2.Template:
        # A template comes with a file from the internet: it runs in Jinja's sandbox. The options and helpers are those
        # that transformers renders with (utils/chat_template_utils.py).
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _raise_exception
        environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
        try:
            return environment.from_string(self.native.chat_template)
        except jinja2.TemplateError as error:
            raise ValueError(f"chat template of the checkpoint: {error}") from error

    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        enable_thinking: bool = False,
        tokenize: bool = False,
        **variables: Any,
    ) -> str | list[int]:
        """The conversation as the model expects it, as text or (`tokenize`) as token ids.

        `messages` are dicts with "role" and "content"; further keyword arguments reach the template as variables.
        ValueError when the checkpoint has no template, or when the template refuses the messages.
        """
        if self.chat_template is None:
            raise ValueError("this checkpoint has no chat template; pass plain text as the prompt instead")
        bos = self.native.bos_token_id
        try:
            text = self._compiled_template.render(
                messages=messages,
                tools=tools,
                add_generation_prompt=add_generation_prompt,
                enable_thinking=enable_thinking,
                bos_token=self.native.token(bos) if bos is not None else "",
                **variables,
            )
        except Exception as error:  # a template is a program from the file: anything can come out of it
            raise ValueError(f"chat template: {type(error).__name__}: {error}") from error
        return self.encode(text) if tokenize else text


def _check_unicode(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # half a surrogate pair, as bytes that were no UTF-8 leave behind
        raise _native.ArgumentError(f"text: not UTF-8 at character {error.start}") from None
    return text


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
