"""The tokenizer of a model: it encodes and decodes with native code, and renders the checkpoint's chat template."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, overload

import jinja2

from gesso import _native, chat_template

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")  # a chat template can use these names


class Tokenizer:
    """Wraps the native tokenizer (`native`) and adds the checkpoint's chat template.

    Threads: any number of threads may use it at the same time.
    """

    def __init__(self, native: _native.Tokenizer):
        self.native = native

    def encode(self, text: str) -> list[int]:
        """Returns the token ids of `text`.

        A special token that is spelt out in the text, such as "<eos>", becomes its one id. No <bos> is added.
        """
        return self.native.encode(_check_unicode(text))

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Returns the text of token ids. Bytes that are not valid UTF-8 become U+FFFD.

        skip_special_tokens: special tokens are left out of the text.
        """
        return self.native.decode([int(i) for i in ids], skip_special_tokens)

    def stream_decoder(self, skip_special_tokens: bool = True) -> _native.StreamDecoder:
        """Returns a decoder for ids that arrive bit by bit. Its push(ids) and flush() return text.

        A character whose bytes have not all come yet is held back.
        """
        return _native.StreamDecoder(self.native, skip_special_tokens)

    def encode_prompt(self, text: str) -> list[int]:
        """Returns the token ids of a prompt.

        A <bos> is put in front if the model wants one and the text does not begin with it.
        """
        return self.native.encode_prompt(_check_unicode(text))

    @property
    def vocab_size(self) -> int:
        return self.native.vocab_size

    @property
    def chat_template(self) -> str | None:
        """The source of the chat template, in Jinja; None if the checkpoint has no template."""
        return self.native.chat_template or None

    @cached_property
    def _compiled_template(self) -> jinja2.Template:
        return chat_template.compile_template(self.native.chat_template)

    @overload
    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = ...,
        add_generation_prompt: bool = ...,
        enable_thinking: bool = ...,
        tokenize: Literal[False] = ...,
        **variables: object,
    ) -> str: ...

    @overload
    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = ...,
        add_generation_prompt: bool = ...,
        enable_thinking: bool = ...,
        tokenize: Literal[True],
        **variables: object,
    ) -> list[int]: ...

    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        enable_thinking: bool = False,
        tokenize: bool = False,
        **variables: object,
    ) -> str | list[int]:
        """Writes a conversation in the form that the model was trained on.

        messages: dicts with "role" ("system", "user", "assistant" or "tool") and "content", in the form of OpenAI's
        API. An assistant's message may have "tool_calls"; the arguments of a call may be an object or its JSON text. A
        tool's message has the "tool_call_id" or the "name" of the call that it answers; its content may be text or an
        object. `Reply.message()` makes an assistant's message of a reply.
        tools: declarations {"type": "function", "function": {"name", "description", "parameters": a JSON schema}}.
        add_generation_prompt: the text ends with the beginning of an assistant's turn, which the model continues.
        enable_thinking: the model is asked to think before it answers.
        tokenize: the result is a list of token ids instead of text.
        variables: further keyword arguments, which the template gets as variables.

        Raises ValueError when the checkpoint has no template or when the template refuses the messages.
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

    def _render(self, messages: list[dict[str, Any]], **variables: object) -> str:
        """Renders unchanged messages, with the variables that transformers gives to every template."""
        ids: dict[str, int | None] = {name: getattr(self.native, f"{name}_id") for name in SPECIAL_TOKENS}
        tokens = {name: self.native.token(token) for name, token in ids.items() if token is not None}
        defaults = {"bos_token": "", "documents": None}
        return chat_template.render(self._compiled_template, messages, **(defaults | tokens | variables))


def _check_unicode(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # a lone surrogate, which Python puts in place of bytes that are not UTF-8
        raise _native.ArgumentError(f"text: not UTF-8 at character {error.start}") from None
    return text
