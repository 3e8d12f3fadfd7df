"""Ceilings and floors: how fast this machine can be at most, and so the least time that a model's work can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

from gesso import _native
from gesso.measure.memory import available_bytes
from gesso.measure.record_types import CeilingEntry, Floor, TimedWork, Work

BUFFER_BYTES = 512_000_000  # bandwidth is measured with two buffers of this size, far larger than caches
SHARE_OF_MEMORY = 0.1  # a buffer takes at most this share of the free memory
MILLISECONDS = 200.0  # so long is measured for each ceiling


@dataclass(frozen=True)
class Ceiling:
    """The highest rate of one kind of work on `num_threads` threads.

    name: "copy" or "read" for memory, "float32", "bf16" or "int8" for products.
    """

    name: str
    instruction_set: str | None
    num_threads: int
    bytes_per_s: float | None
    operations_per_s: float | None


@dataclass(frozen=True)
class Ceilings:
    """The ceilings that were measured. On a GPU there are none, because this package cannot measure them there."""

    entries: tuple[Ceiling, ...] = ()

    def records(self) -> list[CeilingEntry]:
        return [cast(CeilingEntry, asdict(entry)) for entry in self.entries]

    def best(self, *names: str) -> float | None:
        """Returns the highest rate of the ceilings with these names, or None if there is none."""
        rates = [entry.bytes_per_s or entry.operations_per_s for entry in self.entries if entry.name in names]
        return max((rate for rate in rates if rate), default=None)

    def memory_ms(self, num_bytes: float) -> float | None:
        """Returns the least time to move so many bytes."""
        rate = self.best("copy", "read")
        return None if rate is None else 1e3 * num_bytes / rate

    def products_ms(self, float_operations: float, int8_operations: float) -> float | None:
        """Returns the least time for so many operations. On the CPU, all float operations are float32."""
        float32, int8 = self.best("float32"), self.best("int8")
        if float32 is None or int8 is None:
            return None
        return 1e3 * (float_operations / float32 + int8_operations / int8)


def measure_ceilings(num_threads: int) -> Ceilings:
    """Measures the ceilings of the CPU. It takes two to three seconds."""
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


def op_floor(op: TimedWork, ceilings: Ceilings) -> Floor:
    """Returns the floor of an op: the time to move its bytes or the time of its products, whichever is longer.

    "bound" says which of them it is: "bytes" or "operations".
    """
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


def pass_floor_ms(ops: Iterable[Work], ceilings: Ceilings) -> float | None:
    """Returns the floor of a whole pass: the sum of its ops' floors, without the bytes of activations.

    Rows of activations stay in the caches from op to op. Weights, keys and values do not fit there.
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
    """Returns floor_ms / ms. 1 means as fast as possible, 0.4 means 2.5 times as long as the floor."""
    return None if floor_ms is None or ms <= 0 else floor_ms / ms
