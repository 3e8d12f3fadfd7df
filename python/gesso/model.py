"""Models: what a program begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gesso import _native
from gesso.arguments import as_array, as_ids, is_ids
from gesso.config import Config
from gesso.engine import generate_many
from gesso.handle import UnchangingHandle
from gesso.options import GenerationOptions, OptionsOfMany, Prompt
from gesso.result import GenerationOutput, Result
from gesso.session import OnCanvas, OnStep, Session
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

    def __repr__(self) -> str:
        c = self.config
        return (
            f"<gesso.Model: {c.num_hidden_layers} layers, hidden {c.hidden_size}, {c.num_experts} experts, "
            f"{self.native.weight_bytes / 1e6:.1f} MB of weights, {self._place()}>"
        )

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
        self, prompts: Iterable[Prompt], *, seed: int | Iterable[int] = 0, **options: Unpack[OptionsOfMany]
    ) -> Iterator[Result | Exception]:
        """Writes a continuation of each of any number of prompts, and yields the results in the order of the prompts.

        Prompts are taken as places become free in an engine of its own: about twice as many as it has places are under
        way. If a prompt cannot be continued, its place in the results has the exception, and the others go on. An
        exception that `prompts` itself raises ends everything, and so does closing the iterator early.

        prompts: text or token ids, as in `generate`; any iterable serves, also one that waits for its prompts.
        seed: one for all prompts, or an iterable with one for each.
        options: as in `generate`. What is wrong with them for any prompt raises at once.
        """
        return generate_many(self, prompts, seed, options)

    def _result(self, native: _native.Result) -> Result:
        return Result.from_native(native, self.config.canvas_length, self.tokenizer)

    def _prompt_ids(self, prompt: Prompt) -> list[int]:
        if not isinstance(prompt, str):
            return as_ids(prompt, "prompts")
        if prompt == "":
            raise _native.ArgumentError("the prompt is empty; at least one token is needed")
        return self._require_tokenizer().encode_prompt(prompt)

    def _require_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise ValueError("this checkpoint has no tokenizer; pass token ids instead of text")
        return self.tokenizer
