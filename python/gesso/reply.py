"""Splits a model's reply into thought, text and tool calls: all at once, or piece by piece while it is generated.

A reply in the chat format looks like this:

    <|channel>thought\\n{thought}<channel|>{text}<|tool_call>call:NAME{...}<tool_call|>

Each part may be missing or come several times, and the reply may break off anywhere. Each marker, for example
<|tool_call>, is one special token. A marker's spelling always counts as the marker, even when the model has written it
with several ordinary tokens. So neither a text nor a tool call can quote a marker. A marker in a place where the format
has none is dropped, as `Tokenizer.decode` drops special tokens. A turn's beginning or end, <|tool_response> and <eos>
end the reply; what follows them is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gesso.handle import Handle
from gesso.tokenizer import Tokenizer
from gesso.tool_call import QUOTE, ToolCall, parse_call

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

    def message(self) -> dict[str, Any]:
        """Returns the reply as a message for `Tokenizer.apply_chat_template`.

        Tool calls that could not be read are left out.
        """
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.thought:
            message["reasoning"] = self.thought
        calls = [call for call in self.tool_calls if call.error is None]
        if calls:
            functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
            message["tool_calls"] = [{"type": "function", "function": function} for function in functions]
        return message


class ReplyParser:
    """Reads a reply that comes as pieces of text with its markers.

    The result does not depend on where the text is cut into pieces.
    in_thought: True if the prompt ends inside a thought, so that the reply begins inside that thought.
    Threads: one thread at a time may use a parser.
    """

    def __init__(self, in_thought: bool = False):
        self._inside = THOUGHT_BEGIN if in_thought else ""  # the marker that began the current part; "" in text
        self._unread = ""  # text that is held back because it may be the beginning of a marker
        self._header: str | None = None  # the part of a thought's first line that has come; None behind that line
        self._call = ""
        self._ended = False

    def push(self, text: str) -> list[ReplyEvent]:
        """Reads the next piece and returns the events that are certain now.

        Thought and text come at once, except an end that may be the beginning of a marker. A tool call comes when its
        end has been read.
        """
        return list(self._read(text, final=False))

    def flush(self) -> list[ReplyEvent]:
        """Returns the remaining events, at the end of the reply. A tool call that lacks its end marker is read too."""
        return [*self._read("", final=True), *self._leave()]

    def _read(self, text: str, final: bool) -> Iterator[ReplyEvent]:
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

    def _content(self, text: str) -> Iterator[ReplyEvent]:
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

    def _marker(self, marker: str) -> Iterator[ReplyEvent]:
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

    def _leave(self) -> Iterator[ReplyEvent]:
        """Ends the current thought or tool call."""
        if self._inside == CALL_BEGIN:
            yield parse_call(self._call)
        self._inside, self._call = "", ""


def parse_reply(text: str, in_thought: bool = False) -> Reply:
    """Splits a whole reply. `text` has its markers, as `tokenizer.decode(ids, skip_special_tokens=False)` gives it."""
    parser = ReplyParser(in_thought)
    return Reply.from_events([*parser.push(text), *parser.flush()])


class ReplyDecoder(Handle):
    """Reads a reply that comes as token ids. Special tokens that are not markers are dropped.

    context: the token ids in front of the reply. If they end inside a thought, the reply begins inside that thought.
    Threads: one thread at a time may use a decoder. It can be neither copied nor pickled.
    """

    _instead = "make another ReplyDecoder, and push the ids again"

    def __init__(self, tokenizer: Tokenizer, context: Iterable[int] = ()):
        self._native = tokenizer.native
        self._markers = marker_ids(tokenizer, MARKERS)
        self._decoder = tokenizer.stream_decoder(skip_special_tokens=False)
        self._parser = ReplyParser(in_thought=_ends_in_thought(tokenizer, context))

    def push(self, ids: Iterable[int]) -> list[ReplyEvent]:
        """Reads further ids and returns the events that are certain now, as `ReplyParser.push` does.

        A character whose bytes have not all come yet is held back.
        """
        kept = [int(i) for i in ids if i in self._markers or not self._native.is_special(int(i))]
        return self._parser.push(self._decoder.push(kept))

    def flush(self) -> list[ReplyEvent]:
        return [*self._parser.push(self._decoder.flush()), *self._parser.flush()]


def decode_reply(
    tokenizer: Tokenizer, ids: Iterable[int], context: Iterable[int] = (), text: str | None = None
) -> Reply:
    """Splits a whole reply. `ids` are its token ids, `context` are the ids in front of it.

    text: `tokenizer.decode(ids)`, if the caller has it. Where the ids hold no marker it is all there is to read.
    """
    if text is not None and marker_ids(tokenizer, MARKERS).isdisjoint(ids):
        return parse_reply(text, _ends_in_thought(tokenizer, context))
    decoder = ReplyDecoder(tokenizer, context)
    return Reply.from_events([*decoder.push(ids), *decoder.flush()])


def marker_ids(tokenizer: Tokenizer, markers: Iterable[str]) -> set[int]:
    """The token ids of those markers that the vocabulary has."""
    return {i for i in map(tokenizer.native.find, markers) if i is not None}


def _ends_in_thought(tokenizer: Tokenizer, ids: Iterable[int]) -> bool:
    """Whether `ids` end inside a thought.

    That is so when the last marker of a thought or a turn among them is the one that opens a thought.
    """
    begin = tokenizer.native.find(THOUGHT_BEGIN)
    bounds = marker_ids(tokenizer, THOUGHT_BOUNDS)
    return begin is not None and next((i for i in reversed(list(ids)) if i in bounds), None) == begin
