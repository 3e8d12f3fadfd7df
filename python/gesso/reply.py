"""Splits a reply into thought, tool calls and text, whole or as it arrives.

    <|channel>thought\\n{thought}<channel|>{text}<|tool_call>call:NAME{...}<tool_call|>

is a reply in the chat format; each part may be missing or come again, and the end may be missing. The markers are
tokens of their own. Their spelling is never anything else: written by other tokens it would be read back as the marker.
So text and tool calls cannot quote them; a marker where the format has none is dropped, as `Tokenizer.decode` drops
special tokens. A turn's end and <|tool_response> end the reply, and what follows is not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gesso.tokenizer import Tokenizer
from gesso.tool_call import QUOTE, ToolCall, parse_call

THOUGHT_BEGIN, THOUGHT_END = "<|channel>", "<channel|>"
CALL_BEGIN, CALL_END = "<|tool_call>", "<tool_call|>"
TURN_BEGIN, TURN_END = "<|turn>", "<turn|>"
ENDS = (TURN_BEGIN, TURN_END, "<|tool_response>", "<eos>")
MARKERS = (THOUGHT_BEGIN, THOUGHT_END, CALL_BEGIN, CALL_END, QUOTE, *ENDS)
HEADER = "thought\n"  # first line of a thought

MARKER = re.compile("|".join(map(re.escape, MARKERS)))
# A marker's beginning at the end of a text: all of it but the last character, or less.
UNFINISHED = re.compile(rf"(?:{'|'.join(sorted({re.escape(m[:n]) for m in MARKERS for n in range(1, len(m))}))})\Z")


@dataclass(frozen=True)
class ThoughtDelta:
    """A further piece of the thought."""

    text: str


@dataclass(frozen=True)
class TextDelta:
    """A further piece of the text."""

    text: str


Event = ThoughtDelta | TextDelta | ToolCall


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    thought: str  # without white space around; several thoughts one after the other
    text: str
    tool_calls: list[ToolCall]  # those that could not be read as well: see their `error`

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> Reply:
        """The whole of what `ReplyParser` gave bit by bit."""
        pieces: dict[type, list[Any]] = {ThoughtDelta: [], TextDelta: [], ToolCall: []}
        for event in events:
            pieces[type(event)].append(event)
        thought, text = ("".join(piece.text for piece in pieces[kind]) for kind in (ThoughtDelta, TextDelta))
        return cls(thought.strip(), text, pieces[ToolCall])

    def message(self) -> dict[str, Any]:
        """The reply as a message for `Tokenizer.apply_chat_template`. Calls that could not be read are left out."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.thought:
            message["reasoning"] = self.thought
        calls = [call for call in self.tool_calls if call.error is None]
        if calls:
            functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
            message["tool_calls"] = [{"type": "function", "function": function} for function in functions]
        return message


class ReplyParser:
    """Takes a reply's text in pieces, markers included. How it is cut into pieces does not change the result.

    in_thought: the prompt ends inside a thought, which the reply continues.
    """

    def __init__(self, in_thought: bool = False):
        self._inside = THOUGHT_BEGIN if in_thought else ""  # the marker that began what is under way; "" in text
        self._unread = ""  # may be the beginning of a marker
        self._header: str | None = None  # of a thought, as far as it has come; None when it is over
        self._call = ""
        self._ended = False

    def push(self, text: str) -> list[Event]:
        """What the next piece completes: thought and text up to what may be a marker's beginning, and whole calls."""
        return list(self._read(text, final=False))

    def flush(self) -> list[Event]:
        """The rest, when no piece follows. A call without its end is read like one with it."""
        return [*self._read("", final=True), *self._leave()]

    def _read(self, text: str, final: bool) -> Iterator[Event]:
        text = self._unread + text
        begin = 0
        for marker in MARKER.finditer(text):
            yield from self._content(text[begin : marker.start()])
            yield from self._marker(marker[0])
            begin = marker.end()
        held_back = None if final else UNFINISHED.search(text, begin)
        end = held_back.start() if held_back else len(text)
        self._unread = text[end:]
        yield from self._content(text[begin:end])

    def _content(self, text: str) -> Iterator[Event]:
        if self._inside == CALL_BEGIN:
            self._call += text
        elif self._inside == THOUGHT_BEGIN:
            text = self._without_header(text)
            if text:
                yield ThoughtDelta(text)
        elif text and not self._ended:
            yield TextDelta(text)

    def _without_header(self, text: str) -> str:
        if self._header is None:
            return text
        self._header += text
        if HEADER.startswith(self._header):
            return ""
        text, self._header = self._header.removeprefix(HEADER), None
        return text

    def _marker(self, marker: str) -> Iterator[Event]:
        if self._ended:
            return
        if marker == QUOTE:
            self._call += QUOTE if self._inside == CALL_BEGIN else ""
            return
        yield from self._leave()
        if marker in (THOUGHT_BEGIN, CALL_BEGIN):
            self._inside = marker
            self._header = "" if marker == THOUGHT_BEGIN else None
        self._ended = marker in ENDS

    def _leave(self) -> Iterator[Event]:
        """Ends the thought or call that is under way."""
        if self._inside == CALL_BEGIN:
            yield parse_call(self._call)
        self._inside, self._call = "", ""


def parse_reply(text: str, in_thought: bool = False) -> Reply:
    """A whole reply, from text with its markers: `tokenizer.decode(ids, skip_special_tokens=False)`."""
    parser = ReplyParser(in_thought)
    return Reply.from_events([*parser.push(text), *parser.flush()])


class ReplyDecoder:
    """A `ReplyParser` over token ids. Special tokens that are no markers are dropped.

    context: the ids in front of the reply. A thought that they leave open goes on in the reply.
    """

    def __init__(self, tokenizer: Tokenizer, context: Iterable[int] = ()):
        self._native = tokenizer.native
        self._markers = {self._native.find(marker) for marker in MARKERS} - {None}
        self._decoder = tokenizer.stream_decoder(skip_special_tokens=False)
        self._parser = ReplyParser(in_thought=_ends_in_thought(tokenizer, context))

    def push(self, ids: Iterable[int]) -> list[Event]:
        """As `ReplyParser.push`; it never returns half a character either."""
        kept = [int(i) for i in ids if i in self._markers or not self._native.is_special(int(i))]
        return self._parser.push(self._decoder.push(kept))

    def flush(self) -> list[Event]:
        return [*self._parser.push(self._decoder.flush()), *self._parser.flush()]


def decode_reply(tokenizer: Tokenizer, ids: Iterable[int], context: Iterable[int] = ()) -> Reply:
    """A whole reply, from its token ids and those in front of it."""
    decoder = ReplyDecoder(tokenizer, context)
    return Reply.from_events([*decoder.push(ids), *decoder.flush()])


def _ends_in_thought(tokenizer: Tokenizer, ids: Iterable[int]) -> bool:
    """Whether the last of the markers that open or close a thought opens one."""
    begin = tokenizer.native.find(THOUGHT_BEGIN)
    bounds = {tokenizer.native.find(marker) for marker in (THOUGHT_BEGIN, THOUGHT_END, TURN_BEGIN, TURN_END)} - {None}
    return begin is not None and next((i for i in reversed(list(ids)) if i in bounds), None) == begin
