"""Chats: conversations with a model, which may call Python functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gesso import _native
from gesso.arguments import as_bool, as_integer, as_str, as_timeout, make_options
from gesso.calls.tools import Tool, answer_call, read_tools
from gesso.chat_events import ChatEvent, ChatReply, Message, ReplyStream, check_room, read_messages
from gesso.engine import Request
from gesso.handle import Handle
from gesso.options import GenerationOptions
from gesso.reply import ENDS, Reply, ReplyDecoder, ends_inside
from gesso.result import Result
from gesso.session import Session
from gesso.templates.conversation import Conversation, common_length
from gesso.templates.messages import prepare_chat

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gesso.model import Model
    from gesso.templates.marked_text import Text

PIECE = 256  # so many tokens are encoded before the time is looked at again
SLACK = 16  # so many tokens in front of a snapshot can be taken back, too
PLACEHOLDER: Message = {"role": "assistant", "content": "x"}  # stands for a reply that is not there yet


class Chat(Handle):
    """A conversation with a model, made by `Model.chat`.

        chat = model.chat(system="Be brief.")
        print(chat.send("Why is the sky blue?").text)

    messages: the conversation so far, as `Tokenizer.apply_chat_template` takes it. It may be changed between two calls:
    what is still the same is not encoded again. To try again, take the last messages away, and send them anew.
    variables: those of the template, for example "enable_thinking". They may be changed in the same way.

    The chat template of the checkpoint writes the conversation, and decides which thoughts stay in it. What was encoded
    for the call before is kept as far as the conversation begins in the same way. Replies keep the tokens that the
    model wrote.

    Threads: a chat is for one call at a time; any other one raises `gesso.BusyError`.
    """

    _instead = "take its messages, and give them to Model.chat there"

    def __init__(
        self,
        model: Model,
        messages: Iterable[Message],
        tools: Mapping[str, Tool],
        max_rounds: int,
        variables: Mapping[str, object],
        options: GenerationOptions,
    ):
        self.model = model
        self.messages: list[Message] = list(messages)
        self._tokenizer = model._require_tokenizer()
        self._tools = tools
        self._max_rounds = max_rounds
        self.variables = dict(variables)
        self._options = options
        self._session = model.session()
        self._snapshot: Session | None = None
        self._conversation: Conversation | None = None
        self._unfinished: tuple[list[Message], ReplyStream] | None = None
        self._is_busy = False

    def send(
        self,
        message: str | Message | Sequence[Message] | None = None,
        *,
        timeout: float | None = None,
        **options: Unpack[GenerationOptions],
    ) -> ChatReply:
        """Adds a message, and returns what the model answers.

        message: a text of the user, or a message as in `messages`, or several of them, for example the answers of
        tools. None: nothing is added.
        timeout: in seconds for the whole answer. If it passes before the first canvas of a reply is done,
        `gesso.DeadlineExceeded` is raised. Later the reply ends, with "deadline" as its finish_reason.
        options: as in `Model.generate`. They go before those of `Model.chat`.

        If the model calls tools that are functions, they are run, and the model goes on with what they return. What a
        function raises is told to the model. After an exception `messages` is as before the call.
        """
        for event in self.stream(message, timeout=timeout, **options):
            reply = event.reply
        assert reply is not None
        return reply

    def stream(
        self,
        message: str | Message | Sequence[Message] | None = None,
        *,
        timeout: float | None = None,
        **options: Unpack[GenerationOptions],
    ) -> Generator[ChatEvent, None, None]:
        """As `send`, but it yields what there is of the answer as it comes, see `ChatEvent`.

        Closing the iterator cancels the answer, and so does Ctrl-C. Then `messages` is as before the call, see `keep`.
        """
        new = read_messages(message)
        chosen: GenerationOptions = {**self._options, **options}
        make_options(chosen, 1, True, "send")
        self.model._text_stream(chosen)  # what is out of range raises before anything is encoded
        return self._answer(new, as_timeout(timeout), chosen)

    def keep(self) -> Reply | None:
        """Adds to `messages` what there was of an answer that was ended early, and returns its last reply.

        The canvas under way counts as it stood after its last step; a tool call that was not answered is left out. None
        if the last answer came to its end, or if nothing of it was said.
        """
        if self._unfinished is None or self._is_busy:
            return None
        (messages, replies), self._unfinished = self._unfinished, None
        reply = replies.so_far()
        if not (reply.text.strip() or reply.thought):
            return None
        self.messages[:] = [*messages, reply.message()]
        return reply

    def offer(self, tools: Sequence[Callable[..., object] | dict[str, Any]] | None) -> None:
        """Offers these tools from the next call on, as `Model.chat` takes them, in place of all others."""
        self._tools = read_tools(tools)

    def _answer(
        self, new: list[Message], timeout: float | None, options: GenerationOptions
    ) -> Generator[ChatEvent, None, None]:
        if self._is_busy:
            raise _native.BusyError("the chat is busy: another call has not returned")
        self._is_busy, self._unfinished = True, None
        try:
            end = None if timeout is None else time.monotonic() + timeout
            messages = [*self.messages, *new]
            results: list[Result] = []
            while True:
                result = yield from self._reply(messages, not results, end, options)
                results.append(result)
                reply = result.reply
                assert reply is not None
                messages.append(reply.message())
                if len(results) == self._max_rounds or not self._can_answer(result):
                    break
                for call in reply.tool_calls:
                    message = {"role": "tool", "name": call.name, "content": answer_call(self._tools, call)}
                    messages.append(message)
                    yield replace(self._last, tool_message=message)
            self.messages[:], self._unfinished = messages, None
            whole = ChatReply(reply.thought, reply.text, reply.tool_calls, tuple(results))
            yield replace(self._last, result=result, reply=whole)
        finally:
            self._is_busy = False

    def _can_answer(self, result: Result) -> bool:
        """Whether the reply calls tools, and all of them can be run here."""
        assert result.reply is not None
        calls = result.reply.tool_calls
        left_to_caller = [tool.name for tool in self._tools.values() if tool.function is None]
        return bool(calls) and result.finish_reason == "stop" and not any(c.name in left_to_caller for c in calls)

    def _reply(
        self, messages: list[Message], is_first: bool, end: float | None, options: GenerationOptions
    ) -> Generator[ChatEvent, None, Result]:
        """Lets the model reply to the messages, and yields what there is of it."""
        conversation = self._render(messages, True)
        ids = self._encode(conversation)
        texts = self.model._text_stream(options)
        check_room(len(ids), texts.max_new_tokens, self.model.config)  # before any of it is encoded
        num_cached = self._go_back_to(ids)
        if is_first:
            self._take_snapshot(messages, ids, texts.max_new_tokens, end)
        replies = ReplyStream(ReplyDecoder(self._tokenizer, ids), texts)
        self._unfinished = messages, replies
        left = None if end is None else max(end - time.monotonic(), 1e-3)
        behind = ids[self._length() :]
        request = self.model._submit(behind, left, True, options, session=self._session)
        try:
            for event in request:
                yield from replies.read(event)
            result = request.result()
        finally:
            _end(request)
        self._last, self._unfinished = replies.last, None
        self._note_reply(messages, conversation, ids, result)
        usage = replace(result.usage, cached_tokens=num_cached)  # some of the others were encoded for the snapshot
        return replace(result, usage=usage)

    # What is encoded

    def _length(self) -> int:
        return len(self._session.ids[0])

    def _render(self, messages: list[Message], prompt: bool) -> Conversation:
        """The conversation, with the beginning of a reply behind it if it is to be a prompt."""
        declarations = [tool.declaration for tool in self._tools.values()]
        given = {"tools": declarations or None, "add_generation_prompt": prompt, **self.variables}
        text: Text = self._tokenizer._render(prepare_chat(messages), None, given)
        return self._conversation.carried_over(text) if self._conversation else Conversation(text, ENDS)

    def _encode(self, conversation: Conversation) -> list[int]:
        return conversation.encode(self._tokenizer._encode_rendered)

    def _go_back_to(self, ids: list[int]) -> int:
        """Makes the session hold a beginning of these ids, and returns how many of them are encoded."""
        best, most = self._session, -1
        for session in (self._session, self._snapshot):
            if session is None:
                continue
            same = common_length(session.ids[0], ids)
            encoded = session._native.encoded(0, same)
            if encoded > most:
                best, most = session, encoded
        if best is not self._session:
            self._session = best.fork()
        self._session.rewind(common_length(self._session.ids[0], ids))
        return most

    def _take_snapshot(self, messages: list[Message], ids: list[int], num_new: int, deadline: float | None) -> None:
        """Keeps what is encoded where the conversation may go on in another way than the prompt and the reply do.

        The template may take back what stands at the prompt's end, and it may leave out a thought. A sliding layer that
        has gone on cannot go back there, so this is a fork. Where the window holds everything, none is needed. With a
        placeholder for the reply the template shows where that is; its first tokens may still be others.
        """
        self._snapshot = None
        config = self.model.config
        if len(ids) + num_new + config.canvas_length < config.sliding_window:
            return
        later = self._encode(self._render([*messages, PLACEHOLDER], False))
        length = common_length(ids, later)
        for end in (length - SLACK, length):  # the second call leaves as much behind as it encodes
            while (begin := self._length()) < end:
                if deadline is not None and time.monotonic() >= deadline:
                    raise _native.DeadlineExceeded("the deadline passed while the prompt was encoded")
                self._session.encode(ids[begin : min(begin + PIECE, end)])
        self._snapshot = self._session.fork()

    def _note_reply(
        self, messages: list[Message], conversation: Conversation, prompt: list[int], result: Result
    ) -> None:
        """Keeps the ids of a reply for the next prompts, unless the template leaves its thought out."""
        reply = result.reply
        assert reply is not None
        placeholders = self.model.config.placeholder_token_ids

        def keeps(rendered: str, at_the_end: bool) -> bool:
            is_whole = reply.thought in rendered and not ends_inside(self._tokenizer, result.ids)
            return (
                is_whole
                and (at_the_end or not ends_inside(self._tokenizer, prompt))
                and not any(token in placeholders for token in result.ids)
            )

        after = self._render([*messages, reply.message()], False).text
        self._conversation = conversation.with_reply(after, result.ids, keeps)


def _end(request: Request) -> None:
    """Ends a request, and waits until its session is free."""
    request.cancel()
    request.wait()


def make_chat(
    model: Model,
    system: str | None,
    tools: object,
    messages: Iterable[Message] | None,
    enable_thinking: bool,
    max_rounds: int,
    variables: Mapping[str, object] | None,
    options: GenerationOptions,
) -> Chat:
    """What `Model.chat` returns, with its arguments checked."""
    given = [{"role": "system", "content": as_str("system", system)}] if system is not None else []
    given += prepare_chat(list(messages or []))
    make_options(options, 1, True, "chat")
    model._text_stream(options)  # what is out of range raises here
    chat = Chat(
        model,
        given,
        read_tools(tools),
        as_integer("max_rounds", max_rounds, 1),
        {"enable_thinking": as_bool("enable_thinking", enable_thinking), **(variables or {})},
        options,
    )
    is_open = bool(given) and given[-1]["role"] in ("user", "tool")
    trial = given if is_open else [*given, {"role": "user", "content": "x"}]
    chat._render(trial, True)  # what the template does not take raises here
    return chat
