"""Splits a model's reply into thought, text and tool calls: all at once, or piece by piece while it is generated.

A reply in the chat format looks like this:

    <|channel>thought\\n{thought}<channel|>{text}<|tool_call>call:NAME{...}<tool_call|>

Each part may be missing or come several times, and the reply may break off anywhere. Each marker, for example
<|tool_call>, is one special token, and counts only where the id of that token stands. A model that quotes a marker
spells it with ordinary tokens, and these are text. A marker in a place where the format has none is dropped, as
`Tokenizer.decode` drops special tokens. A turn's beginning or end, <|tool_response> and <eos> end the reply; what
follows them is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gesso.arguments import as_ids
from gesso.calls.reader import QUOTE
from gesso.calls.tool_call import CallText, ToolCall
from gesso.handle import Handle
from gesso.tokenizer import Tokenizer

THOUGHT_BEGIN, THOUGHT_END = "<|channel>", "<channel|>"
CALL_BEGIN, CALL_END = "<|tool_call>", "<tool_call|>"
TURN_BEGIN, TURN_END = "<|turn>", "<turn|>"
ENDS = (TURN_BEGIN, TURN_END, "<|tool_response>", "<eos>")
MARKERS = (THOUGHT_BEGIN, THOUGHT_END, CALL_BEGIN, CALL_END, QUOTE, *ENDS)
THOUGHT_BOUNDS = (THOUGHT_BEGIN, THOUGHT_END, TURN_BEGIN, TURN_END)  # the last of them says whether a thought is open
HEADER = "thought\n"  # a thought begins with this line, which is not a part of its text

MARKER = re.compile("|".join(map(re.escape, MARKERS)))
# Matches a text's end that may be the beginning of a marker, for example "<|cha". A whole marker is not matched.
UNFINISHED = re.compile(rf"(?:{'|'.join(sorted({re.escape(m[:n]) for m in MARKERS for n in range(1, len(m))}))})\Z")


@dataclass(frozen=True)
class ThoughtDelta:
    """The next piece of the model's thought."""

    text: str


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the reply's text."""

    text: str


ReplyEvent = ThoughtDelta | TextDelta | ToolCall


@dataclass(frozen=True)
class Reply:
    """A model's whole reply, in its parts."""

    thought: str  # without white space around it; several thoughts are joined without a separator
    text: str
    tool_calls: list[ToolCall]  # also the calls that could not be read; their `error` says why

    @classmethod
    def from_events(cls, events: Iterable[ReplyEvent]) -> Reply:
        """Puts the events of a `ReplyParser` together to the whole reply."""
        events = list(events)
        thought = "".join(event.text for event in events if isinstance(event, ThoughtDelta))
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        return cls(thought.strip(), text, [event for event in events if isinstance(event, ToolCall)])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from gesso.notebook.html import page

        return page(self._html())

    def _html(self) -> str:
        from gesso.notebook.html import answer_html

        return answer_html(self.text, self.thought, [call.raw for call in self.tool_calls])

    def message(self) -> dict[str, Any]:
        """Returns the reply as a message for `Tokenizer.apply_chat_template`.

        A tool call that could not be read has one argument, "unread", which is what the model wrote.
        """
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.thought:
            message["reasoning"] = self.thought
        if self.tool_calls:
            functions = [
                {"name": call.name, "arguments": call.arguments if call.error is None else {"unread": call.raw}}
                for call in self.tool_calls
            ]
            message["tool_calls"] = [{"type": "function", "function": function} for function in functions]
        return message


class _Parts:
    """Puts texts and markers together to events. Each method returns the events that are certain now.

    in_thought: the reply begins inside a thought.
    """

    def __init__(self, in_thought: bool):
        self._inside = THOUGHT_BEGIN if in_thought else ""  # the marker that began the current part; "" in text
        self._header: str | None = None  # the part of a thought's first line that has come; None behind that line
        self._call = CallText()
        self._ended = False

    def text(self, text: str) -> list[ReplyEvent]:
        """Reads text. What it spells out is no marker."""
        if self._inside == CALL_BEGIN:
            self._call.add(text)
        elif self._inside == THOUGHT_BEGIN:
            text = self._without_header(text)
            return [ThoughtDelta(text)] if text else []
        elif text and not self._ended:
            return [TextDelta(text)]
        return []

    def marker(self, marker: str) -> list[ReplyEvent]:
        if self._ended:
            return []
        if marker == QUOTE:
            if self._inside == CALL_BEGIN:
                self._call.add_quote()
            return []
        events = self._leave(closed=True)
        if marker in (THOUGHT_BEGIN, CALL_BEGIN):
            self._inside = marker
            self._header = "" if marker == THOUGHT_BEGIN else None
        self._ended = marker in ENDS
        return events

    def end(self) -> list[ReplyEvent]:
        """The reply ends here, also if it is cut off inside a part."""
        return self._leave(closed=False)

    def _without_header(self, text: str) -> str:
        if self._header is None:
            return text
        self._header += text
        if HEADER.startswith(self._header):
            return ""
        text, self._header = self._header.removeprefix(HEADER), None
        return text

    def _leave(self, closed: bool) -> list[ReplyEvent]:
        """Ends the current thought or tool call. closed: a marker ends it."""
        calls = self._call.read(closed) if self._inside == CALL_BEGIN else []
        self._inside, self._call = "", CallText()
        return [*calls]


class ReplyParser:
    """Reads a reply that comes as pieces of text with its markers.

    A text does not tell whether a marker in it was one special token, or whether the model has spelt it with ordinary
    tokens, as it does to quote it. Here every spelling counts as the marker. `ReplyDecoder` reads ids and can tell.

    The result does not depend on where the text is cut into pieces.
    in_thought: True if the prompt ends inside a thought, so that the reply begins inside that thought.
    Threads: one thread at a time may use a parser.
    """

    def __init__(self, in_thought: bool = False):
        self._parts = _Parts(in_thought)
        self._unread = ""  # text that is held back because it may be the beginning of a marker

    def push(self, text: str) -> list[ReplyEvent]:
        """Reads the next piece and returns the events that are certain now.

        Thought and text come at once, except an end that may be the beginning of a marker. A tool call comes when its
        end has been read.
        """
        return self._read(text, final=False)

    def flush(self) -> list[ReplyEvent]:
        """Returns the remaining events, at the end of the reply. A tool call that lacks its end marker is read too."""
        return [*self._read("", final=True), *self._parts.end()]

    def _read(self, text: str, final: bool) -> list[ReplyEvent]:
        text = self._unread + text
        events: list[ReplyEvent] = []
        begin = 0
        for marker in MARKER.finditer(text):
            events += self._parts.text(text[begin : marker.start()])
            events += self._parts.marker(marker[0])
            begin = marker.end()
        held_back = None if final else UNFINISHED.search(text, begin)
        end = held_back.start() if held_back else len(text)
        self._unread = text[end:]
        return events + self._parts.text(text[begin:end])


def parse_reply(text: str, in_thought: bool = False) -> Reply:
    """Splits a whole reply. `text` has its markers, as `tokenizer.decode(ids, skip_special_tokens=False)` gives it.

    Every spelling of a marker counts as the marker, because a text does not tell more; see `ReplyParser`.
    """
    parser = ReplyParser(in_thought)
    return Reply.from_events([*parser.push(text), *parser.flush()])


class ReplyDecoder(Handle):
    """Reads a reply that comes as token ids. A marker counts where its id stands; spelt with other tokens it is text.

    Special tokens that are not markers are dropped.
    context: the token ids in front of the reply. If they end inside a thought, the reply begins inside that thought.
    Threads: one thread at a time may use a decoder. It can be neither copied nor pickled.
    """

    _instead = "make another ReplyDecoder, and push the ids again"

    def __init__(self, tokenizer: Tokenizer, context: Iterable[int] = ()):
        self._native = tokenizer.native
        self._markers = marker_ids(tokenizer, MARKERS)
        self._decoder = tokenizer.stream_decoder()
        self._parts = _Parts(in_thought=_ends_in_thought(tokenizer, context))

    def push(self, ids: Iterable[int]) -> list[ReplyEvent]:
        """Reads further ids and returns the events that are certain now.

        Thought and text come at once. A character whose bytes have not all come yet is held back. A tool call comes
        when its end has been read.
        """
        given = as_ids(list(ids), "ids")
        kept = [i for i in given if i in self._markers or not self._native.is_special(i)]
        events: list[ReplyEvent] = []
        begin = 0
        for at, token in enumerate(kept):
            if token in self._markers:
                events += self._parts.text(self._decoder.push(kept[begin:at]) + self._decoder.flush())
                events += self._parts.marker(self._native.token(token))
                begin = at + 1
        return events + self._parts.text(self._decoder.push(kept[begin:]))

    def flush(self) -> list[ReplyEvent]:
        """Returns the remaining events, at the end of the reply. A tool call that lacks its end marker is read too."""
        return [*self._parts.text(self._decoder.flush()), *self._parts.end()]


def decode_reply(
    tokenizer: Tokenizer, ids: Iterable[int], context: Iterable[int] = (), text: str | None = None
) -> Reply:
    """Splits a whole reply. `ids` are its token ids, `context` are the ids in front of it.

    text: `tokenizer.decode(ids)`, if the caller has it. Where the ids hold no marker it is all there is to read.
    """
    if text is not None and marker_ids(tokenizer, MARKERS).isdisjoint(ids):
        parts = _Parts(_ends_in_thought(tokenizer, context))
        return Reply.from_events([*parts.text(text), *parts.end()])
    decoder = ReplyDecoder(tokenizer, context)
    return Reply.from_events([*decoder.push(ids), *decoder.flush()])


def marker_ids(tokenizer: Tokenizer, markers: Iterable[str]) -> set[int]:
    """The token ids of those markers that the vocabulary has as special tokens."""
    native = tokenizer.native
    return {i for i in map(native.find, markers) if i is not None and native.is_special(i)}


def ends_inside(tokenizer: Tokenizer, ids: Iterable[int]) -> bool:
    """Whether `ids` end inside a thought or a tool call."""
    bounds = marker_ids(tokenizer, (*THOUGHT_BOUNDS, CALL_BEGIN, CALL_END))
    last = next((i for i in reversed(list(ids)) if i in bounds), None)
    return last is not None and tokenizer.native.token(int(last)) in (THOUGHT_BEGIN, CALL_BEGIN)


def _ends_in_thought(tokenizer: Tokenizer, ids: Iterable[int]) -> bool:
    """Whether `ids` end inside a thought.

    That is so when the last marker of a thought or a turn among them is the one that opens a thought.
    """
    bounds = marker_ids(tokenizer, THOUGHT_BOUNDS)
    last = next((i for i in reversed(list(ids)) if i in bounds), None)
    return last is not None and tokenizer.native.token(int(last)) == THOUGHT_BEGIN
