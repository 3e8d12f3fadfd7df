"""The tokenizer of a model: native encoding and decoding, and the chat template of its checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import jinja2

from gesso import _native, chat_template

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")  # that a chat template can name


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
        return chat_template.compile_template(self.native.chat_template)

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

        messages: dicts with "role" ("system", "user", "assistant", "tool") and "content", in the form of OpenAI's API:
        an assistant's may have "tool_calls", a tool's has the "tool_call_id" or "name" of what it answers. Arguments of
        calls may be objects or their JSON text, results text or objects. `Reply.message()` makes an assistant's.
        tools: declarations {"type": "function", "function": {"name", "description", "parameters": a JSON schema}}.
        Further keyword arguments reach the template as variables. ValueError when the checkpoint has no template, or
        when the template refuses the messages.
        """
        if self.chat_template is None:
            raise ValueError("this checkpoint has no chat template; pass plain text as the prompt instead")
        text = self._render(
            chat_template.prepare_messages(messages),
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            enable_thinking=enable_thinking,
            **variables,
        )
        return self.encode_prompt(text) if tokenize else text

    def _render(self, messages: list[dict[str, Any]], **variables: Any) -> str:
        """Renders the messages as they are, with the variables that transformers gives to every template."""
        ids = {name: getattr(self.native, f"{name}_id") for name in SPECIAL_TOKENS}
        tokens = {name: self.native.token(token) for name, token in ids.items() if token is not None}
        defaults = {"bos_token": "", "documents": None}
        return chat_template.render(self._compiled_template, messages, **(defaults | tokens | variables))


def _check_unicode(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # half a surrogate pair, as bytes that were no UTF-8 leave behind
        raise _native.ArgumentError(f"text: not UTF-8 at character {error.start}") from None
    return text
