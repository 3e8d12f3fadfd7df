"""The tokenizer of a model: it encodes and decodes with native code, and renders the checkpoint's chat template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, overload

from gesso import _native
from gesso.arguments import as_ids
from gesso.handle import UnchangingHandle
from gesso.templates.marked_text import TEMPLATE, UNKNOWN, Text
from gesso.templates.messages import check_json, check_texts, check_tools, prepare_messages

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")  # a chat template can use these names
# What apply_chat_template gives to every template. A template must read those that differ from these values.
DEFAULTS = {"tools": None, "documents": None, "add_generation_prompt": True, "enable_thinking": False}


class Tokenizer(UnchangingHandle):
    """Wraps the native tokenizer (`native`) and adds the checkpoint's chat template.

    chat_template: the source of a template to use instead of the checkpoint's; None for the checkpoint's.
    Threads: any number of threads may use it at the same time. It cannot be pickled.
    """

    _instead = "load the model in the other process, and take its tokenizer"

    def __init__(self, native: _native.Tokenizer, chat_template: str | None = None):
        self.native = native
        if chat_template is not None:
            from gesso.templates.chat_template import compile_chat  # Jinja takes half the time of `import numpy`

            compile_chat(chat_template)
        self._chat_template = chat_template

    def encode(self, text: str, parse_special: bool = True) -> list[int]:
        """Returns the token ids of `text`. No <bos> is added.

        parse_special: a special token that is spelt out in the text, such as "<eos>", becomes its one id. If it is
        False, such a spelling is encoded as any other text. Use this for text that others have written. Words that a
        fine-tune has added are text, and become their one id either way.
        """
        return self.native.encode(_check_unicode(text), parse_special)

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Returns the text of token ids. Bytes that are not valid UTF-8 become U+FFFD.

        skip_special_tokens: special tokens are left out of the text. Words that a fine-tune has added are not special.
        """
        return self.native.decode(as_ids(list(ids), "ids"), skip_special_tokens)

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
        """The source of the chat template, in Jinja; None if there is none."""
        return self._chat_template if self._chat_template is not None else self.native.chat_template or None

    @overload
    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = ...,
        documents: list[dict[str, Any]] | None = ...,
        add_generation_prompt: bool = ...,
        enable_thinking: bool = ...,
        chat_template: str | None = ...,
        tokenize: Literal[False] = ...,
        **variables: object,
    ) -> str: ...

    @overload
    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = ...,
        documents: list[dict[str, Any]] | None = ...,
        add_generation_prompt: bool = ...,
        enable_thinking: bool = ...,
        chat_template: str | None = ...,
        tokenize: Literal[True],
        **variables: object,
    ) -> list[int]: ...

    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = None,
        documents: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        enable_thinking: bool = False,
        chat_template: str | None = None,
        tokenize: bool = False,
        **variables: object,
    ) -> str | list[int]:
        """Writes a conversation in the form that the model was trained on.

        Give a model the ids (tokenize=True). In them only the template's own markers are special tokens. If a message
        spells "<|turn>" or "<|image|>", that is text, and so it is in all other strings that are given here. The string
        is for reading: in it both look alike, so a user who writes markers could end his turn and write one of the
        system.

        messages: dicts with "role" ("system", "user", "assistant" or "tool") and "content", in the form of OpenAI's
        API. An assistant's message may have "tool_calls"; the arguments of a call may be an object or its JSON text. A
        tool's message has the "tool_call_id" or the "name" of the call that it answers; its content may be text or an
        object. `Reply.message()` makes an assistant's message of a reply. A content is text, None, or a list of parts
        {"type": "text", "text"}, {"type": "image"}, {"type": "audio"} and {"type": "video"}. Only the string may have
        other parts than text: gesso handles text only, so with tokenize=True they raise `gesso.ArgumentError`.
        tools: declarations {"type": "function", "function": {"name", "description", "parameters": a JSON schema}}.
        documents: texts to answer from, in the form that the template wants.
        add_generation_prompt: the text ends with the beginning of an assistant's turn, which the model continues.
        enable_thinking: the model is asked to think before it answers.
        chat_template: the source of a template to use instead of `self.chat_template`.
        tokenize: the result is a list of token ids instead of text.
        variables: further keyword arguments, which the template gets as variables.

        Raises TypeError for an argument that the template does not read, so that none is ignored. Raises TypeError or
        ValueError, with the place, for a message or a tool of another form. Raises ValueError when there is no
        template, when it reads no messages, refuses them or fails on them, when it takes more time or memory than the
        limits in `templates/budget.py` allow, and with tokenize=True when it makes a special token of pieces that gesso
        cannot trace back to the template.
        """
        given = {
            "tools": tools,
            "documents": documents,
            "add_generation_prompt": add_generation_prompt,
            "enable_thinking": enable_thinking,
            **variables,
        }
        if tokenize:
            check_texts(messages)
        text = self._render(prepare_messages(messages), chat_template, given)
        return self._encode_rendered(text) if tokenize else "".join([text])

    def _render(self, messages: list[dict[str, Any]], source: str | None, given: dict[str, Any]) -> Text:
        """Renders unchanged messages, with the variables that transformers gives to every template."""
        source = source if source is not None else self.chat_template
        if source is None:
            raise ValueError(
                "this checkpoint has no chat template; give one as chat_template, or pass plain text as the prompt"
            )
        from gesso.templates import chat_template as templates

        compiled = templates.compile_chat(source)
        new = (name for name, value in given.items() if name not in DEFAULTS or bool(value) != bool(DEFAULTS[name]))
        templates.check_variables(compiled, new, (*DEFAULTS, "tokenize", "chat_template"))
        check_tools(given.get("tools"))
        for name, value in given.items():
            if isinstance(value, str) or name == "documents":
                check_json(value, name)
        ids: dict[str, int | None] = {name: getattr(self.native, f"{name}_id") for name in SPECIAL_TOKENS}
        tokens = {name: self.native.token(token) for name, token in ids.items() if token is not None}
        return templates.render(compiled, {**DEFAULTS, **given, "messages": messages}, {"bos_token": "", **tokens})

    def _encode_rendered(self, text: Text, is_whole: bool = True) -> list[int]:
        """Returns the ids of a rendered conversation. Special tokens are what the template has written as such.

        is_whole: False for a part of it that does not begin it.
        """
        _check_unicode(text)
        encode = self.native.encode_prompt_parts
        ids = encode(list(_parts(text, TEMPLATE)), is_whole)
        # Where the origin is not known, a special token is neither dropped nor trusted.
        if UNKNOWN in text.origins and ids != encode(list(_parts(text, TEMPLATE + UNKNOWN)), is_whole):
            raise ValueError(
                "chat template: it makes special tokens in a way in which gesso cannot tell them from a user's text;"
                " use +, ~ or format to put them together"
            )
        return ids


def _parts(text: Text, trusted: bytes) -> Iterator[tuple[str, bool]]:
    """Cuts a text into parts whose special tokens count, since their origin is one of `trusted`, and the others."""
    plain = "".join([text])
    for run in re.finditer(b"([%b]+)|[^%b]+" % (trusted, trusted), text.origins):
        yield plain[run.start() : run.end()], run[1] is not None


def _check_unicode(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # a lone surrogate, which Python puts in place of bytes that are not UTF-8
        raise _native.ArgumentError(f"text: not UTF-8 at character {error.start}") from None
    return text
