"""How fast this machine could be at most, and the least time that a model's work takes by that measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gesso import _native
from gesso.measure.memory import available_bytes

BUFFER_BYTES = 512_000_000  # two of them, to measure bandwidth: far larger than caches
SHARE_OF_MEMORY = 0.1  # of what is free; smaller buffers where that is less
MILLISECONDS = 200.0  # for each ceiling
COUNTS = ("stored_bytes", "activation_bytes", "float_operations", "int8_operations")


@dataclass(frozen=True)
class Ceiling:
    """One of "copy" and "read" (memory) or "float32", "bf16" and "int8" (products), on so many threads."""

    name: str
    instruction_set: str | None
    num_threads: int
    bytes_per_s: float | None
    operations_per_s: float | None


@dataclass(frozen=True)
class Ceilings:
    """What was measured; nothing where nothing could be, as on a GPU."""

    entries: tuple[Ceiling, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self.entries]

    def best(self, *names: str) -> float | None:
        """The highest rate under these names."""
        rates = [entry.bytes_per_s or entry.operations_per_s for entry in self.entries if entry.name in names]
        return max((rate for rate in rates if rate), default=None)

    def memory_ms(self, num_bytes: float) -> float | None:
        """The least time to move so many bytes."""
        rate = self.best("copy", "read")
        return None if rate is None else 1e3 * num_bytes / rate

    def products_ms(self, float_operations: float, int8_operations: float) -> float | None:
        """The least time for so many operations. Floats are float32 here: the CPU multiplies no others."""
        rates = self.best("float32"), self.best("int8")
        if None in rates:
            return None
        return 1e3 * (float_operations / rates[0] + int8_operations / rates[1])


def measure_ceilings(num_threads: int) -> Ceilings:
    """Takes two to three seconds."""
    num_bytes = BUFFER_BYTES
    if (free := available_bytes()) is not None:
        num_bytes = max(1, min(num_bytes, int(SHARE_OF_MEMORY * free)))
    found = _native.measure_ceilings(num_threads, num_bytes, MILLISECONDS)
    return Ceilings(
        tuple(
            Ceiling(x.name, x.instruction_set or None, num_threads, x.bytes_per_s or None, x.operations_per_s or None)
            for x in found
        )
    )


def op_floor(op: Mapping[str, Any], ceilings: Ceilings) -> dict[str, Any]:
    """The floor of an op's calls: the slower one of moving all its bytes and of its products, and which that is."""
    memory_ms = ceilings.memory_ms(op["stored_bytes"] + op["activation_bytes"])
    products_ms = ceilings.products_ms(op["float_operations"], op["int8_operations"])
    if memory_ms is None or products_ms is None:
        return {"floor_ms": None, "share_of_floor": None, "bound": None}
    floor_ms = max(memory_ms, products_ms)
    return {
        "floor_ms": floor_ms,
        "share_of_floor": share(floor_ms, op["ms"]),
        "bound": "operations" if products_ms > memory_ms else "bytes",
    }


def pass_floor_ms(ops: Iterable[Mapping[str, Any]], ceilings: Ceilings) -> float | None:
    """The floor of a whole pass: the sum over its ops, of which only stored bytes count.

    Rows of activations stay in the caches from op to op; weights, keys and values do not fit there.
    """
    total = 0.0
    for op in ops:
        memory_ms = ceilings.memory_ms(op["stored_bytes"])
        products_ms = ceilings.products_ms(op["float_operations"], op["int8_operations"])
        if memory_ms is None or products_ms is None:
            return None
        total += max(memory_ms, products_ms)
    return total


def share(floor_ms: float | None, ms: float) -> float | None:
    """What part of a time is its floor: 1 would be as fast as can be."""
    return None if floor_ms is None or ms <= 0 else floor_ms / ms
