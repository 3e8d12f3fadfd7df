"""What `gesso quantize` and `gesso convert` share: the options for types, and writing a model's file by them."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np

from gesso import _native
from gesso.cli.parts.command_parser import CommandParser, add_json, add_no_mmap, add_threads
from gesso.files.gguf_metadata import Metadata
from gesso.files.gguf_writer import write_gguf
from gesso.files.imatrix import read_imatrix
from gesso.files.partial_file import check_target, unwind_on_sigterm
from gesso.files.presets import PRESETS, plan_types
from gesso.files.tensor import FLOAT_TYPES, Array, Tensor, stored_bytes, tensor_types
from gesso.files.weight_scales import with_scales
from gesso.measure.text import columns, json_text, show_bytes, show_time
from gesso.terminal.progress import Progress


def add_type_arguments(parser: CommandParser, *, required: bool) -> None:
    """Adds the options that `gesso quantize` and `gesso convert` share."""
    parser.add_argument(
        "--preset",
        required=required,
        type=str.upper,
        choices=list(PRESETS),
        metavar="P",
        help=f"which types the weights get: {', '.join(PRESETS)}; fewer bits make a smaller file and larger errors",
    )
    parser.add_argument(
        "--tensor",
        action="append",
        default=[],
        type=parse_override,
        metavar="REGEX=TYPE",
        help="gives TYPE to the matrices in whose names the regular expression REGEX is found, for example"
        " 'blk\\.0\\..*_exps=Q8_0'; the option may be given several times, and the last one that matches a name counts",
    )
    parser.add_argument(
        "--imatrix",
        metavar="FILE",
        help="an importance matrix from `gesso imatrix` or llama.cpp: columns that matter more are rounded with more"
        " care",
    )
    add_threads(parser)
    add_no_mmap(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="write no file, only print what it would hold and its size"
    )
    add_json(parser)


def parse_override(argument: str) -> tuple[str, str]:
    """Splits 'regex=TYPE' into a pair at the last equals sign."""
    pattern, equals, dtype = argument.rpartition("=")
    if not (pattern and equals and dtype):
        raise argparse.ArgumentTypeError(f"expected REGEX=TYPE, got {argument!r}")
    return pattern, dtype.upper()


def check_arguments(options: argparse.Namespace) -> None:
    """Checks what can be checked before anything is read."""
    check_target(options.target, options.source, *filter(None, [options.imatrix]))


def write_model(options: argparse.Namespace, metadata: Metadata, tensors: Sequence[Tensor]) -> int:
    """Writes a GGUF file by the options of `add_type_arguments`. Shows progress and prints a summary.

    With --dry-run it writes nothing and prints what the file would hold. Without a preset all tensors keep their types,
    and general.file_type keeps the value that it has in `metadata`.
    """
    start = time.monotonic()
    importance = read_importance(options.imatrix, tensors) if options.imatrix else {}
    types = {tensor.name: tensor.dtype for tensor in tensors}
    if options.preset:
        types = plan_types(
            options.preset,
            tensors,
            has_importance=bool(importance),
            overrides=options.tensor,
        )
        metadata = dict(metadata) | {"general.file_type": PRESETS[options.preset].file_type}
    warn_of_requantising(tensors, types)
    if importance:
        warn_of_missing_importance(tensors, types, importance)
    written, multipliers = with_scales(tensors, types)
    sizes = {x.name: stored_bytes(types.get(x.name, x.dtype), x.shape) for x in written}
    broken = BrokenWeights(options.threads or 0)
    if not options.dry_run:
        with unwind_on_sigterm(), Progress(options.target) as progress:
            write_gguf(
                options.target,
                metadata,
                written,
                types,
                importance=importance,
                multipliers=multipliers,
                on_progress=progress.update,
                on_chunk=broken.add,
                num_threads=options.threads or 0,
            )
    broken.warn()
    seconds = time.monotonic() - start
    if options.json:
        print(json_text(describe(options, tensors, written, types, sizes, seconds)))
        return 0
    if options.dry_run:
        print("\n".join(plan_lines(written, types)))
    took = "" if options.dry_run else f", in {show_time(seconds)}"
    print(f"{options.target}: {summary(tensors, written, sizes)}{took}")
    return 0


def describe(
    options: argparse.Namespace,
    tensors: Sequence[Tensor],
    written: Sequence[Tensor],
    types: Mapping[str, str],
    sizes: Mapping[str, int],
    seconds: float,
) -> dict[str, object]:
    """Everything that --json prints. A tensor has the keys that it has in `gesso inspect --tensors --json`."""
    return {
        "path": options.target,
        "source": options.source,
        "written": not options.dry_run,
        "source_bytes": sum(x.num_bytes for x in tensors),
        "bytes": sum(sizes.values()),
        "bits_per_weight": bits_per_weight(written, sizes),
        "seconds": seconds,
        "tensors": [
            {
                "name": x.name,
                "source_type": x.dtype,
                "type": types.get(x.name, x.dtype),
                "shape": list(x.shape),
                "bytes": sizes[x.name],
            }
            for x in written
        ],
    }


def read_importance(path: str, tensors: Sequence[Tensor]) -> Mapping[str, Array]:
    """Reads the importance of this model's tensors. Raises ValueError when the file has none of them."""
    names = {tensor.name for tensor in tensors}
    importance = {name: values for name, values in read_imatrix(path).items() if name in names}
    if not importance:
        raise ValueError(f"{path}: holds nothing about the tensors of this model")
    return importance


def warn_of_requantising(tensors: Sequence[Tensor], types: Mapping[str, str]) -> None:
    """Warns when block formats are converted to other types. F32 holds their values exactly, so it needs no warning."""
    lossy = sorted({x.dtype for x in tensors if x.dtype not in FLOAT_TYPES and types[x.name] not in (x.dtype, "F32")})
    if lossy:
        warn(f"{', '.join(lossy)} values are rounded a second time; a source in BF16 gives a better file")


def warn_of_missing_importance(
    tensors: Sequence[Tensor], types: Mapping[str, str], importance: Mapping[str, Array]
) -> None:
    """Warns when quantised matrices have no importance. The embedding never has one, so it does not count."""
    matrices = {x.name for x in tensors if types[x.name] not in (x.dtype, *FLOAT_TYPES)} - {"token_embd.weight"}
    missing = matrices - importance.keys()
    if missing:
        warn(f"the importance matrix has nothing about {len(missing)} of {len(matrices)} matrices")


class BrokenWeights:
    """Counts the values of each written tensor that are not finite. Block formats cannot hold any: they are refused."""

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._counts: dict[str, int] = {}

    def add(self, name: str, dtype: str, chunk: Array) -> None:
        if tensor_types()[dtype].can_read:
            data = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8)
            count = _native.count_not_finite(dtype, data, self._num_threads)
            self._counts[name] = self._counts.get(name, 0) + count.num_nan + count.num_infinite

    def warn(self) -> None:
        for name, count in self._counts.items():
            if count:
                warn(f"{name}: {count} values are NaN or infinite; `gesso inspect --check` shows where")


def warn(text: str) -> None:
    print(f"gesso: warning: {text}", file=sys.stderr)


def plan_lines(tensors: Sequence[Tensor], types: Mapping[str, str]) -> list[str]:
    """Returns a line for each tensor: its name, its shape, its type before and after, and its new size."""
    rows = []
    for tensor in tensors:
        dtype = types.get(tensor.name, tensor.dtype)
        change = tensor.dtype if dtype == tensor.dtype else f"{tensor.dtype} -> {dtype}"
        rows.append((tensor.name, str(list(tensor.shape)), change, show_bytes(stored_bytes(dtype, tensor.shape))))
    return columns(rows, right=(3,))


def summary(tensors: Sequence[Tensor], written: Sequence[Tensor], sizes: Mapping[str, int]) -> str:
    """Returns the sizes before and after, and the average number of bits per weight."""
    before, after = sum(x.num_bytes for x in tensors), sum(sizes.values())
    return f"{show_bytes(before)} -> {show_bytes(after)}, {bits_per_weight(written, sizes):.2f} bits per weight"


def bits_per_weight(written: Sequence[Tensor], sizes: Mapping[str, int]) -> float:
    return 8 * sum(sizes.values()) / sum(math.prod(x.shape) for x in written)
