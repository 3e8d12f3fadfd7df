"""Models and sessions: the package's front door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from gesso import _native
from gesso.arguments import as_array, as_id_lists, as_ids, as_lengths, is_ids, make_options
from gesso.config import Config
from gesso.reply import Reply, decode_reply
from gesso.tokenizer import Tokenizer


@dataclass(frozen=True)
class GenerationOutput:
    """What a generation returns; the outer lists run over the sequences of the batch."""

    sequences: list[list[int]]  # new tokens up to and without the first end token
    texts: list[str] | None  # the same, decoded without special tokens; None without a tokenizer
    replies: list[Reply] | None = field(repr=False)  # the same, split into thought, text and tool calls
    canvases: list[np.ndarray] = field(repr=False)  # int32 [num_canvases, C] as committed, padded after an end token
    denoising_steps: list[list[int]]  # per canvas
    tokens_per_forward: list[float]  # tokens that are not padding per denoising pass
    stopped: bool  # a callback returned False
    timings: _native.Timings  # encode_ms, denoise_ms, steps, first_canvas_ms


class Model:
    """A loaded model. Made by `gesso.load`; safe to use from several threads."""

    def __init__(self, native: _native.Model):
        self.native = native
        self.config = Config.from_native(native.config)
        self.tokenizer = Tokenizer(native.tokenizer) if native.tokenizer is not None else None

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
        return self.native.num_threads

    @property
    def device(self) -> str:
        """ "cpu" or "cuda:0"."""
        return self.native.device

    @property
    def activations(self) -> str:
        """How products with weights round activations: "f32" or "int8" on the CPU, "bf16" or "int8" on a GPU."""
        return self.native.activations

    def session(self, batch_size: int = 1) -> Session:
        """An empty batch of growing sequences."""
        return Session(self, batch_size)

    def generate(
        self,
        prompts: str | Sequence[int] | Sequence[str | Sequence[int]],
        *,
        max_new_tokens: int = 256,
        max_denoising_steps: int | None = None,
        entropy_bound: float | None = None,
        t_min: float | None = None,
        t_max: float | None = None,
        stability_threshold: int | None = None,
        confidence_threshold: float | None = None,
        end_token_ids: Sequence[int] | None = None,
        seed: int | Sequence[int] = 0,
        canvas: Any = None,
        pinned: Any = None,
        on_step: Callable[[Any], Any] | None = None,
        on_canvas: Callable[[Any], Any] | None = None,
    ) -> GenerationOutput:
        """Writes a continuation of each prompt.

        prompts: text, token ids, or a list of either. Text gets a <bos> in front if the model wants one.
        max_new_tokens: rounded up to whole canvases of config.canvas_length tokens, as in the reference.
        max_denoising_steps, entropy_bound (nats), t_min, t_max, stability_threshold, confidence_threshold (nats),
        end_token_ids: None takes the checkpoint's value, see `config`.
        seed: one for all sequences or one for each. A sequence's result depends on its prompt and its seed alone, not
        on the batch: give equal prompts different seeds to get different texts.
        canvas: token ids the first canvas starts from instead of noise, [B][C] (or [C] for one prompt).
        pinned: {position: id} of canvas tokens to keep as given, for each sequence (or one dict for one prompt); a
        list of such dicts instead pins one canvas after the other.
        on_step(event), on_canvas(event): called after each step and canvas, see `StepEvent` and `CanvasEvent`;
        returning False ends the generation, and canvases under way are committed as they stand.

        Ctrl-C ends it with KeyboardInterrupt. ValueError for bad input, TypeError for arguments of the wrong kind.
        """
        arguments = {k: v for k, v in locals().items() if k not in ("self", "prompts")}
        prompts = as_array(prompts)
        single = isinstance(prompts, str) or is_ids(prompts)
        if not single and not isinstance(prompts, Iterable):
            raise TypeError(f"prompts: expected text, token ids or a list of them, got {prompts!r}")
        ids = [self._prompt_ids(entry) for entry in ([prompts] if single else prompts)]
        return self.session(len(ids))._generate(ids, single, arguments)

    def _prompt_ids(self, prompt: str | Sequence[int]) -> list[int]:
        if not isinstance(prompt, str):
            return as_ids(prompt, "prompts")
        if prompt == "":
            raise _native.ArgumentError("the prompt is empty; at least one token is needed")
        return self._require_tokenizer().encode_prompt(prompt)

    def _require_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise ValueError("this checkpoint has no tokenizer; pass token ids instead of text")
        return self.tokenizer


class Session:
    """A batch of sequences with their key-value caches, for one thread at a time."""

    def __init__(self, model: Model, batch_size: int = 1):
        self.model = model
        self._native = _native.Session(model.native, batch_size)

    @property
    def batch_size(self) -> int:
        return self._native.batch_size

    @property
    def length(self) -> int | list[int]:
        """Tokens so far, prompt and generated: an int for a batch of one, else one per sequence."""
        lengths = [self._native.length(i) for i in range(self.batch_size)]
        return lengths[0] if self.batch_size == 1 else lengths

    @property
    def ids(self) -> list[list[int]]:
        """The tokens themselves, per sequence."""
        return [self._native.ids(i) for i in range(self.batch_size)]

    @property
    def cache_bytes(self) -> int:
        """Memory of the key-value caches."""
        return self._native.cache_bytes

    def encode(self, ids: Any) -> None:
        """Appends token ids to the sequences and encodes them: one list per sequence, ragged ones allowed, or one bare
        list for a batch of one."""
        self._native.encode(as_id_lists(ids, self.batch_size, "ids"))

    def rewind(self, length: int | Sequence[int]) -> None:
        """Forgets everything behind the first `length` tokens of each sequence (one length, or one per sequence).

        Going back further than a sliding layer remembers costs encoding the rest again, later and by itself.
        """
        self._native.rewind(as_lengths(length, "length"))

    def denoise(self, canvas: Any, self_conditioning_logits: Any = None) -> np.ndarray:
        """One denoising pass that reads the cache and changes nothing.

        canvas: token ids [B][C] (or [C] for a batch of one). self_conditioning_logits: float32 [B, C, V], the logits
        of the step before divided by its temperature; None on a canvas' first step. Returns float32 [B, C, V]:
        soft-capped, before temperature.
        """
        config = self.model.config
        shape = (self.batch_size, config.canvas_length, config.vocab_size)
        ids = as_id_lists(canvas, self.batch_size, "canvas")
        logits = np.empty(shape, np.float32)
        if self_conditioning_logits is not None:
            given = np.asarray(as_array(self_conditioning_logits))
            if given.dtype.kind in "cOSUMm":  # complex numbers, objects, text, times; bfloat16 is kind V
                raise TypeError(f"self_conditioning_logits: expected float32 values, got {given.dtype}")
            if given.shape != shape:
                raise _native.ArgumentError(f"self_conditioning_logits: expected shape {shape}, got {given.shape}")
            logits[:] = given
        self._native.denoise(ids, self_conditioning_logits is not None, logits)
        return logits

    def collect_importance(self) -> None:
        """From now on every pass also sums up the squares of what it multiplies weights with; see `importance`."""
        self._native.collect_importance()

    @property
    def importance(self) -> list[_native.WeightImportance]:
        """What has been collected for each weight: name, `counts` [experts] of rows and `sums` of their squares,
        [experts, columns]; a plain matrix has one "expert". `gesso.imatrix` writes it to a file."""
        return self._native.importance

    def generate(self, prompts: Any = None, *, max_new_tokens: int = 256, **options: Any) -> GenerationOutput:
        """Continues every sequence from its cache, after appending `prompts` (token ids, or text without <bos>).

        Takes the options of `Model.generate`. Afterwards the sequences hold what was generated, up to and without the
        first end token.
        """
        arguments = dict.fromkeys(GENERATE_OPTIONS) | {"seed": 0, "max_new_tokens": max_new_tokens}
        unknown = options.keys() - arguments.keys()
        if unknown:
            raise TypeError(f"generate() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        if prompts is None:
            ids = []
        elif isinstance(prompts, str) or is_ids(prompts):
            ids = as_id_lists([self._text_ids(prompts)], self.batch_size, "prompts")
        else:
            ids = as_id_lists([self._text_ids(entry) for entry in prompts], self.batch_size, "prompts")
        return self._generate(ids, self.batch_size == 1, arguments | options)

    def _text_ids(self, prompt: str | Sequence[int]) -> list[int]:
        return self.model._require_tokenizer().encode(prompt) if isinstance(prompt, str) else as_ids(prompt, "prompts")

    def _generate(self, ids: list[list[int]], single: bool, arguments: dict[str, Any]) -> GenerationOutput:
        contexts = [old + new for old, new in zip_longest(self.ids, ids, fillvalue=[])]
        result = self._native.generate(ids, make_options(self.batch_size, single, **arguments))
        canvas_length, tokenizer = self.model.config.canvas_length, self.model.tokenizer
        pairs = zip(result.sequences, contexts, strict=True)
        return GenerationOutput(
            sequences=result.sequences,
            texts=None if tokenizer is None else [tokenizer.decode(ids) for ids in result.sequences],
            replies=None if tokenizer is None else [decode_reply(tokenizer, ids, context) for ids, context in pairs],
            canvases=[np.array(x, np.int32).reshape(-1, canvas_length) for x in result.canvases],
            denoising_steps=result.denoising_steps,
            tokens_per_forward=result.tokens_per_forward,
            stopped=result.stopped,
            timings=result.timings,
        )


GENERATE_OPTIONS = tuple(Model.generate.__kwdefaults__)
