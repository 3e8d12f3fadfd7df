"""Models: what a program begins with."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from gesso import _native
from gesso import stream as _streams
from gesso.arguments import (
    as_array,
    as_ids,
    as_prompts,
    as_seeds_of_many,
    as_timeout,
    is_ids,
    make_options,
)
from gesso.chat import Chat, make_chat
from gesso.config import Config
from gesso.engine import Engine, Request
from gesso.handle import UnchangingHandle
from gesso.options import GenerationOptions, OptionsOfMany, Prompt
from gesso.result import GenerationOutput, Result
from gesso.session import OnCanvas, OnStep, Session
from gesso.stream import StreamEvent
from gesso.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Model(UnchangingHandle):
    """A loaded model, made by `gesso.load`.

    Threads: a model never changes, so any number of threads may use it at the same time. For the same reason `copy`
    returns the model itself. It cannot be pickled.
    """

    _instead = "load the model in the other process, too"

    def __init__(self, native: _native.Model, chat_template: str | None = None):
        self.native = native
        self.config = Config.from_native(native.config)
        self.tokenizer = Tokenizer(native.tokenizer, chat_template) if native.tokenizer is not None else None
        self._engine: tuple[int, Engine] | None = None  # with the process that it belongs to
        self._makes_engine = threading.Lock()

    def __repr__(self) -> str:
        c = self.config
        return (
            f"<gesso.Model: {c.num_hidden_layers} layers, hidden {c.hidden_size}, {c.num_experts} experts, "
            f"{self.native.weight_bytes / 1e6:.1f} MB of weights, {self._place()}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from gesso.notebook.html import model_html

        return model_html(self.native, self._place(), self.tokenizer is not None and bool(self.tokenizer.chat_template))

    def _place(self) -> str:
        place = f"{self.num_threads} threads" if self.device == "cpu" else self.device
        return f"{place}, {self.activations}"

    @property
    def num_threads(self) -> int:
        """How many threads one call uses on the CPU."""
        return self.native.num_threads

    @property
    def device(self) -> str:
        """Where the model runs: "cpu" or, for example, "cuda:0"."""
        return self.native.device

    @property
    def activations(self) -> str:
        """How products with weights round their inputs: "f32" or "int8" on the CPU, "bf16" or "int8" on a GPU."""
        return self.native.activations

    def session(self, batch_size: int = 1) -> Session:
        """Makes an empty batch of growing sequences. batch_size: 1 to 4096."""
        return Session(self, batch_size)

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        *,
        on_step: OnStep | None = None,
        on_canvas: OnCanvas | None = None,
        **options: Unpack[GenerationOptions],
    ) -> GenerationOutput:
        """Writes a continuation of each prompt.

        prompts: text, token ids, or a list of either. Text gets a <bos> in front if the model wants one, and special
        tokens that are written out in it become their ids. So give a conversation as ids, which
        `Tokenizer.apply_chat_template` makes with tokenize=True.
        on_step(event), on_canvas(event): called after each step and each canvas, see `StepEvent` and `CanvasEvent`.
        If one of them returns False, the generation ends, and canvases under way are committed as they stand. An
        `async def` is refused with TypeError, since nothing would await it.

        options: for example max_new_tokens=64 or seed=[1, 2]. `gesso.generation_options()` says what each of them does.
        An option that is left out has its default. `config` has the defaults that the checkpoint carries.

        Ctrl-C ends the call with KeyboardInterrupt. ValueError for bad input, TypeError for arguments of the wrong kind
        and for options that do not exist, `gesso.NumericsError` when a step's numbers are not finite.
        """
        prompts = as_array(prompts)
        single = isinstance(prompts, str) or is_ids(prompts)
        if not single and (not isinstance(prompts, Iterable) or isinstance(prompts, (Mapping, bytes, bytearray))):
            raise TypeError(f"prompts: expected text, token ids or a list of them, got {prompts!r}")
        entries: Any = [prompts] if single else prompts
        ids: list[list[int]] = []
        for entry in entries:
            if len(ids) == _native.MAX_BATCH:
                raise _native.ArgumentError(f"prompts: expected at most {_native.MAX_BATCH}, got more")
            ids.append(self._prompt_ids(entry))
        return self.session(len(ids))._generate(ids, single, on_step, on_canvas, options)

    def generate_many(
        self, prompts: Iterable[Prompt], *, seed: int | Iterable[int] | None = 0, **options: Unpack[OptionsOfMany]
    ) -> Iterator[Result | Exception]:
        """Writes a continuation of each of any number of prompts, and yields the results in the order of the prompts.

        They run in an engine of its own, at most twice as many at a time as it has places. Prompts are asked for ahead
        of results: further ones while the next result is not done. A result that is done is yielded first. So
        `prompts` may be slow. But if it waits for a result that was not done when it was asked, it waits forever.

        If a prompt cannot be continued, its place in the results has the exception, and the others go on. If `prompts`
        or `seed` raises, or there are fewer seeds than prompts, the rows in front come first, and then the exception.
        Closing the iterator early ends everything, and so does Ctrl-C.

        prompts: text or token ids, as in `generate`; any iterable serves.
        seed: one for all prompts, or an iterable with one for each. None draws one for each.
        options: as in `generate`. What is wrong with them for any prompt raises at once.
        """
        prompts = as_prompts(prompts)
        seeds = as_seeds_of_many(seed, prompts)
        values = make_options(options, 1, True, "generate_many")
        _native.check_options(_native.GenerationOptions(values), self.native)
        return _streams.many(self, iter(prompts), iter(seeds), options)

    def stream(
        self, prompt: Prompt, *, timeout: float | None = None, **options: Unpack[GenerationOptions]
    ) -> Generator[StreamEvent, None, None]:
        """Writes a continuation of one prompt, and yields what there is of it as it comes.

            for event in model.stream("Once upon a time"):
                print(event.delta, end="", flush=True)

        Each `StreamEvent` has the text that is final now (`delta`), and the canvas under way (`draft`, `step`,
        `entropy`). The last one has the `result`, which is that of `generate`. If events are not taken fast enough,
        drafts are left out; no delta is.

        Closing the iterator cancels the request, and so does Ctrl-C. Both take effect at once, also while the prompt is
        encoded. All streams of a model share its passes.

        timeout: in seconds from the first event that is asked for. If it passes before the first canvas is done, the
        stream raises `gesso.DeadlineExceeded`, a TimeoutError. Later it ends, with "deadline" as the finish_reason.
        prompt, options: as in `generate`. What is wrong with them raises at once.
        """
        texts = self._text_stream(options)
        ids, deadline = self._prompt_ids(prompt, "prompt"), as_timeout(timeout)
        return _streams.stream(lambda: self._submit(ids, deadline, True, options), texts)

    def astream(
        self, prompt: Prompt, *, timeout: float | None = None, **options: Unpack[GenerationOptions]
    ) -> AsyncGenerator[StreamEvent, None]:
        """As `stream`, for asyncio: `async for event in model.astream(...)`. It does not block the loop.

        Cancelling the task cancels the request, at once. So does closing the iterator.
        """
        texts, deadline = self._text_stream(options), as_timeout(timeout)

        def submit(on_news: Callable[[], object]) -> Request:
            return self._submit(self._prompt_ids(prompt, "prompt"), deadline, True, options, on_news)

        return _streams.astream(submit, texts)

    async def agenerate(
        self, prompt: Prompt, *, timeout: float | None = None, **options: Unpack[GenerationOptions]
    ) -> Result:
        """Writes a continuation of one prompt, in asyncio, without blocking the loop. Returns its `Result`.

        Many of them at a time, for example in `asyncio.gather`, share the model's passes. Cancelling the task cancels
        the request, at once. timeout: as in `stream`. prompt, options: as in `generate`.
        """
        deadline = as_timeout(timeout)
        make_options(options, 1, True, "agenerate")

        def submit(on_news: Callable[[], object]) -> Request:
            return self._submit(self._prompt_ids(prompt, "prompt"), deadline, False, options, on_news)

        return await _streams.agenerate(submit)

    def chat(
        self,
        system: str | None = None,
        *,
        tools: Sequence[Callable[..., object] | dict[str, Any]] | None = None,
        messages: Iterable[dict[str, Any]] | None = None,
        enable_thinking: bool = False,
        max_rounds: int = 8,
        variables: Mapping[str, object] | None = None,
        **options: Unpack[GenerationOptions],
    ) -> Chat:
        """Begins a conversation, which `Chat.send` and `Chat.stream` go on with.

        system: what the model is told before the conversation.
        tools: Python functions, which the chat runs when the model calls them, and declarations of tools that you run,
        as in `Tokenizer.apply_chat_template`. The declaration of a function is made of its name, its docstring and the
        types of its parameters.
        messages: a conversation to go on with, behind `system`.
        enable_thinking: the model is asked to think before it answers.
        max_rounds: the model replies at most so many times to one message. When its last reply calls tools, they are
        not run.
        variables: further variables for the chat template.
        options: as in `generate`, for all replies.

        Raises ValueError and TypeError as `generate` and `Tokenizer.apply_chat_template` do.
        """
        return make_chat(self, system, tools, messages, enable_thinking, max_rounds, variables, options)

    def _submit(
        self,
        ids: list[int],
        deadline: float | None,
        events: bool,
        options: GenerationOptions,
        on_news: Callable[[], object] | None = None,
        session: Session | None = None,
    ) -> Request:
        """Hands a prompt over to the model's own engine."""
        return self._own_engine()._submit(ids, session, deadline, 0, "", (None, None), events, options, on_news)

    def _own_engine(self) -> Engine:
        """It is made when it is first needed, and again in a process that was forked. It refuses no request.

        The engine refers to a second Model, for one of its own would be a cycle, and weights would stay in memory until
        Python looks for cycles.
        """
        with self._makes_engine:
            if self._engine is None or self._engine[0] != os.getpid():
                other = Model.__new__(Model)
                other.native, other.config, other.tokenizer = self.native, self.config, self.tokenizer
                self._engine = os.getpid(), Engine(other, max_queued=2**62)
            return self._engine[1]

    def _text_stream(self, options: GenerationOptions) -> _streams.TextStream:
        """Raises for options that are wrong whatever the prompt is."""
        tokenizer = self._require_tokenizer()
        values = make_options(options, 1, True, "stream")
        _native.check_options(_native.GenerationOptions(values), self.native)
        settings = {**self.native.config.generation, **values}
        return _streams.TextStream(
            tokenizer,
            cast(list[str], values.get("stop", [])),
            cast(list[int], settings["end_token_ids"]),
            cast(int, settings["max_new_tokens"]),
        )

    def _result(self, native: _native.Result) -> Result:
        return Result.from_native(native, self.config.canvas_length, self.tokenizer)

    def _prompt_ids(self, prompt: Prompt, name: str = "prompts") -> list[int]:
        if not isinstance(prompt, str):
            return as_ids(prompt, name)
        if prompt == "":
            raise _native.ArgumentError("the prompt is empty; at least one token is needed")
        return self._tokenizer_for(prompt, name).encode_prompt(prompt)

    def _tokenizer_for(self, text: str, name: str) -> Tokenizer:
        """The tokenizer, unless the text cannot fit the context: to encode it would take long and much memory."""
        tokenizer = self._require_tokenizer()
        fewest, most = tokenizer.native.fewest_ids(len(text)), self.config.max_position_embeddings
        if fewest > most:
            message = f"{name}: a text of at least {fewest} tokens is more than the model's context of {most}"
            raise _native.ArgumentError(message)
        return tokenizer

    def _require_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise ValueError("this checkpoint has no tokenizer; pass token ids instead of text")
        return self.tokenizer
