"""What a chat answers, at once and piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gesso._native import ArgumentError, CanvasEvent, StepEvent
from gesso.calls.tool_call import ToolCall
from gesso.config import Config
from gesso.engine import EndEvent, RequestEvent
from gesso.reply import Reply, ReplyDecoder, ReplyEvent, TextDelta, ThoughtDelta
from gesso.result import FinishReason, Result
from gesso.stream import StreamEvent, TextStream
from gesso.templates.messages import prepare_chat

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
        self._given: list[ReplyEvent] = []  # what events have had
        self._draft: list[int] = []  # what the canvas under way would be committed as now
        self.last = ChatEvent("", "", 0, 0, 0, 0.0)

    def read(self, event: RequestEvent) -> Iterable[ChatEvent]:
        shown = self._texts.read(event)
        self.last = ChatEvent("", "", shown.canvas, shown.step, shown.max_denoising_steps, shown.entropy)
        if isinstance(event, StepEvent):
            self._draft = self._texts.draft_ids(event.argmax)
            return [replace(self.last, draft=shown.draft, settling=shown.settling)]
        parts = list(self._parts(event))
        self._given += parts
        return [self._event(part) for part in parts]

    def parts(self, event: CanvasEvent | EndEvent) -> Iterable[ReplyEvent]:
        """What is final now, for a caller that takes no `ChatEvent`."""
        self._texts.read(event)
        return self._parts(event)

    def so_far(self) -> Reply:
        """What there is of a reply that nothing more is read of, with the draft, and without tool calls."""
        parts = [*self._given, *self._decoder.push([*self._ids, *self._draft]), *self._decoder.flush()]
        return Reply.from_events(part for part in parts if not isinstance(part, ToolCall))

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
        self._draft = []
        return parts

    def _event(self, part: ReplyEvent) -> ChatEvent:
        if isinstance(part, ThoughtDelta):
            return replace(self.last, thought=part.text)
        return (
            replace(self.last, delta=part.text) if isinstance(part, TextDelta) else replace(self.last, tool_call=part)
        )


def read_messages(message: object) -> list[Message]:
    """The messages that a caller sends: a text of the user, a message, several of them, or None."""
    if message is None:
        return []
    if isinstance(message, str):
        return [{"role": "user", "content": message}]
    return prepare_chat([message] if isinstance(message, dict) else message)  # type: ignore[arg-type]


def check_room(num_tokens: int, max_new_tokens: int, config: Config) -> None:
    """Raises for a conversation that the context cannot hold together with the canvases of a whole reply."""
    canvas, context = config.canvas_length, config.max_position_embeddings
    if num_tokens > context:
        raise ArgumentError(f"the conversation has {num_tokens} tokens, more than the model's context of {context}")
    num_canvases, most_canvases = -(-max_new_tokens // canvas), (context - num_tokens) // canvas
    if num_canvases <= most_canvases:
        return
    fitting = (
        f"max_new_tokens of at most {most_canvases * canvas} fits"
        if most_canvases
        else f"a conversation of at most {context - canvas} tokens fits"
    )
    needed = num_tokens + num_canvases * canvas
    raise ArgumentError(
        f"the conversation has {num_tokens} tokens, and with a reply of {max_new_tokens} tokens, in canvases of"
        f" {canvas}, it needs {needed} positions, but the model's context is {context}; {fitting}"
    )
