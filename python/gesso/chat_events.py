"""What a chat answers, at once and piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gesso import _native
from gesso._native import CanvasEvent
from gesso.calls.tool_call import ToolCall
from gesso.engine import EndEvent, RequestEvent
from gesso.reply import Reply, ReplyDecoder, ReplyEvent, TextDelta, ThoughtDelta
from gesso.result import FinishReason, Result
from gesso.stream import StreamEvent, TextStream

Message = dict[str, Any]  # as `Tokenizer.apply_chat_template` takes it


@dataclass(frozen=True)
class ChatReply(Reply):
    """What a chat answers. `results` has the `Result` of each of the model's replies, of which the last counts.

    tool_calls: calls that were not run: those of tools that have no function, of a reply that was cut off, and of the
    last round.
    """

    results: tuple[Result, ...]

    @property
    def finish_reason(self) -> FinishReason:
        """That of the last reply, see `Result`."""
        return self.results[-1].finish_reason


@dataclass(frozen=True)
class ChatEvent(StreamEvent):
    """What an answer of a chat has come to.

    `delta` is text alone, without thoughts and tool calls. It is that of all the model's replies, while `reply.text` is
    the last one's. A `tool_message` stands between two replies.
    """

    thought: str = ""  # the next piece of the model's thought
    tool_call: ToolCall | None = None  # a call that the model has made
    tool_message: Message | None = None  # what a function has answered to one
    reply: ChatReply | None = None  # in the last event


class ReplyStream:
    """Makes the events of one reply: thoughts, text and tool calls apart."""

    def __init__(self, decoder: ReplyDecoder, texts: TextStream):
        self._decoder = decoder
        self._texts = texts
        self._ids: list[int] = []  # final ids that have not been read, since a stop string may begin in them
        self._num_read = 0
        self.last = ChatEvent("", "", 0, 0, 0, 0.0)

    def read(self, event: RequestEvent) -> Iterable[ChatEvent]:
        shown = self._texts.read(event)
        self.last = ChatEvent("", "", shown.canvas, shown.step, shown.max_denoising_steps, shown.entropy)
        if isinstance(event, _native.StepEvent):
            return [replace(self.last, draft=shown.draft, settling=shown.settling)]
        return [self._event(part) for part in self._parts(event)]

    def parts(self, event: CanvasEvent | EndEvent) -> Iterable[ReplyEvent]:
        """What is final now, for a caller that takes no `ChatEvent`."""
        self._texts.read(event)
        return self._parts(event)

    def _parts(self, event: CanvasEvent | EndEvent) -> Iterable[ReplyEvent]:
        if isinstance(event, EndEvent):
            return [*self._decoder.push(event.result.ids[self._num_read :]), *self._decoder.flush()]
        if event.text_length < len(event.ids):
            return []  # the rest comes with the end
        self._ids += event.ids.tolist()
        count = self._texts.num_certain(self._ids)
        parts = self._decoder.push(self._ids[:count])
        self._num_read += count
        del self._ids[:count]
        return parts

    def _event(self, part: ReplyEvent) -> ChatEvent:
        if isinstance(part, ThoughtDelta):
            return replace(self.last, thought=part.text)
        return (
            replace(self.last, delta=part.text) if isinstance(part, TextDelta) else replace(self.last, tool_call=part)
        )
