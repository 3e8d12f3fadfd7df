"""Sessions: growing sequences with what is encoded of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from gesso import _native
from gesso._native import CanvasEvent, StepEvent
from gesso.arguments import as_array, as_batch_size, as_id_lists, as_ids, as_lengths, is_ids, make_options
from gesso.files.callback import plain_callback
from gesso.files.regular_file import as_path
from gesso.handle import Handle
from gesso.options import Array, GenerationOptions, Ids, Prompt
from gesso.result import GenerationOutput

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack

    from gesso.model import Model

OnStep = Callable[[StepEvent], object]
OnCanvas = Callable[[CanvasEvent], object]


class Session(Handle):
    """A batch of growing sequences with their key-value caches. After an exception it is as before the call.

    Threads: a session is for one call at a time; give each thread a session of its own. While `generate`, `encode`,
    `denoise` or `rewind` is under way, every other use of the session but `batch_size` raises `gesso.BusyError`, a
    RuntimeError. That is so in another thread and in a callback: a callback gets what it needs from its event. Sessions
    of one model do not disturb each other. A session can be neither copied nor pickled; `fork` and `save` do it.
    """

    _instead = "fork() makes a second session with the same content, save() and Session.load() take it elsewhere"

    def __init__(self, model: Model, batch_size: int = 1):
        self.model = model
        self._native = _native.Session(model.native, as_batch_size(batch_size))

    @property
    def batch_size(self) -> int:
        return self._native.batch_size

    @property
    def length(self) -> int | list[int]:
        """The number of tokens so far, prompt and generated: an int for a batch of one, else one for each sequence."""
        lengths = self._native.lengths
        return lengths[0] if self.batch_size == 1 else lengths

    @property
    def ids(self) -> list[list[int]]:
        """A copy of the tokens so far, a list for each sequence."""
        return self._native.ids

    @property
    def cache_bytes(self) -> int:
        """The memory that the key-value caches take. What a session shares with its forks counts in each of them."""
        return self._native.cache_bytes

    def fork(self) -> Session:
        """Makes an independent session with the same content: each of the two goes on as if the other did not exist.

        It takes no time, because both share the cache. Whichever appends to a sequence first makes a copy of that
        sequence's part. The fork does not collect importance.
        """
        return self._of(self.model, self._native.fork())

    @overload
    def save(self) -> bytes: ...

    @overload
    def save(self, path: str | os.PathLike[str]) -> None: ...

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes | None:
        """Writes everything that the session holds to a file: the ids and the cache. Without a path it returns the
        bytes.

        The file gets its name when it is complete, and then replaces a saved session, an empty file or a link of that
        name. Only its owner may read it, since it holds the conversation. It takes about `cache_bytes`. OSError if the
        file cannot be written; FileExistsError where there is another file. This, a folder, a pipe, a socket or a
        device stays as it is.
        """
        if path is None:
            return self._native.save_bytes()
        if not isinstance(path, (str, os.PathLike)):  # for load(), bytes are a session and no path
            raise TypeError(f"path: expected a str or an os.PathLike, got {type(path).__name__}")
        self._native.save(os.fsencode(as_path(path)))
        return None

    @classmethod
    def load(cls, model: Model, source: str | os.PathLike[str] | Buffer) -> Session:
        """Makes a session of what `save` has written. It generates what the saved session would have generated.

        source: a path, or what `save()` has returned (bytes, or another object with bytes in one piece). model: the
        same model, on the CPU if it was there or on a GPU, with the same `activations`. `gesso.FormatError` says what
        differs, or that the file is truncated or damaged. OSError if it cannot be read.

        Of a model of up to 256 MiB any other byte is noticed. Of a larger one samples are compared, 4 KiB of every
        4 MiB of a tensor: a fine-tune is noticed, and a change of single bytes may not be.
        """
        if isinstance(source, (str, os.PathLike)):
            return cls._of(model, _native.Session.load(model.native, os.fsencode(as_path(source))))
        try:
            data = np.frombuffer(memoryview(source), np.uint8)
        except TypeError:
            raise TypeError(f"source: expected a path or bytes, got {source!r}") from None
        return cls._of(model, _native.Session.load_bytes(model.native, data))

    @classmethod
    def _of(cls, model: Model, native: _native.Session) -> Session:
        session = cls.__new__(cls)
        session.model = model
        session._native = native
        return session

    def encode(self, ids: Ids | Sequence[Ids]) -> None:
        """Appends token ids to the sequences and encodes them.

        ids: a list for each sequence, of any lengths, or one bare list for a batch of one.
        """
        self._native.encode(as_id_lists(ids, self.batch_size, "ids"))

    def rewind(self, length: int | Ids) -> None:
        """Forgets everything behind the first `length` tokens of each sequence (one length, or one per sequence).

        A sliding layer remembers only its window. If the session goes back further, its next call encodes the tokens
        again, which costs time.
        """
        self._native.rewind(as_lengths(length, "length"))

    def denoise(
        self, canvas: Ids | Sequence[Ids], self_conditioning_logits: Array | None = None
    ) -> NDArray[np.float32]:
        """Runs one denoising pass. It reads the cache, and the sequences stay as they are.

        canvas: token ids [B][C] (or [C] for a batch of one). self_conditioning_logits: float32 [B, C, V], the logits
        of the step before, divided by its temperature; None on the first step of a canvas. Returns float32 logits
        [B, C, V], soft-capped, before they are divided by the temperature. Raises `gesso.NumericsError` when one of
        them is not finite.
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
        """From now on every pass also sums up the squares of the values that it multiplies weights with; see
        `importance`."""
        self._native.collect_importance()

    @property
    def importance(self) -> list[_native.WeightImportance]:
        """What has been collected for each weight: its name, `counts` [experts] of rows, and `sums` [experts, columns]
        of their squares. A plain matrix counts as one expert. `gesso imatrix` writes all of this to a file."""
        return self._native.importance

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt] | None = None,
        *,
        on_step: OnStep | None = None,
        on_canvas: OnCanvas | None = None,
        **options: Unpack[GenerationOptions],
    ) -> GenerationOutput:
        """Continues every sequence from its cache. First `prompts` (token ids, or text without <bos>) are appended.

        The options are those of `Model.generate`. Afterwards the sequences hold the new tokens, as `Result.ids` has
        them.
        """
        ids: list[list[int]] = []
        if prompts is not None:
            entries: Any = [prompts] if isinstance(prompts, str) or is_ids(prompts) else prompts
            ids = as_id_lists([self._text_ids(entry) for entry in entries], self.batch_size, "prompts")
        return self._generate(ids, self.batch_size == 1, on_step, on_canvas, options)

    def _text_ids(self, prompt: Prompt, name: str = "prompts") -> list[int]:
        if not isinstance(prompt, str):
            return as_ids(prompt, name)
        return self.model._tokenizer_for(prompt, name).encode(prompt)

    def _generate(
        self,
        ids: list[list[int]],
        single: bool,
        on_step: OnStep | None,
        on_canvas: OnCanvas | None,
        options: GenerationOptions,
    ) -> GenerationOutput:
        callbacks = plain_callback("on_step", on_step), plain_callback("on_canvas", on_canvas)
        values = make_options(options, self.batch_size, single)
        result = self._native.generate(ids, _native.GenerationOptions(values, *callbacks))
        results = tuple(self.model._result(native) for native in result.results)
        return GenerationOutput(results, result.stopped, result.timings)
