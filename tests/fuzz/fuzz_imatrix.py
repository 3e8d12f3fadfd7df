"""Fuzzes read_imatrix: any file must give finite importances of at least 0, or FormatError.

    python tests/fuzz/fuzz_imatrix.py --seconds 60

Each input is a seed, or an input that passed, with a few bytes changed. The numbers are drawn from --seed. The input
under test is in build/fuzz/imatrix.gguf, also after a crash.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import time
from pathlib import Path

import numpy as np

from gesso import FormatError
from gesso.files.imatrix import read_imatrix

FOLDER = Path(__file__).resolve().parent
INPUT = FOLDER.parents[1] / "build" / "fuzz" / "imatrix.gguf"
MAX_BYTES = 4096
MAX_KEPT = 500
NUMBERS = [0, 1, 3, 4, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1]
FLOATS = [0.0, -0.0, -1.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan")]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Changes one to four places: flips, numbers of 8 bytes, floats, parts that are cut out or doubled."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + 8] = struct.pack("<Q", rng.choice(NUMBERS))
            case 2:
                at -= at % 4
                changed[at : at + 4] = struct.pack("<f", rng.choice(FLOATS))
            case 3:
                del changed[at : at + rng.randint(1, 40)]
            case 4:
                changed[at:at] = changed[at : at + rng.randint(1, 80)]
            case 5:
                # Names decide which tensors belong together.
                old, new = rng.sample([b".in_sum2", b".counts", b".weight", b"imatrix", b"\xff\xfe"], 2)
                changed = bytearray(bytes(changed).replace(old, new, 1))
    return bytes(changed[:MAX_BYTES])


def check(data: bytes) -> bool:
    """Reads one input. Returns whether it is an importance matrix."""
    INPUT.write_bytes(data)
    try:
        importance = read_imatrix(INPUT)
    except FormatError:
        return False
    for name, values in importance.items():
        if values.dtype != np.float32 or values.ndim not in (1, 2):
            raise AssertionError(f"{name}: expected float32 [columns] or [experts, columns], got {values!r}")
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise AssertionError(f"{name}: expected finite values >= 0, got {values!r}")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    INPUT.parent.mkdir(parents=True, exist_ok=True)
    corpus = [path.read_bytes() for path in sorted((FOLDER / "seeds" / "imatrix").iterdir())]
    num_seeds, end, tried, read = len(corpus), time.monotonic() + options.seconds, 0, 0
    for data in corpus:
        if not check(data):
            raise AssertionError("a seed is no importance matrix")
    while time.monotonic() < end:
        data = mutate(rng.choice(corpus), rng)
        passed = check(data)
        tried, read = tried + 1, read + passed
        if passed and len(corpus) < MAX_KEPT:
            corpus.append(data)
        elif passed:
            corpus[rng.randrange(num_seeds, MAX_KEPT)] = data
    print(f"inputs: {tried}, of which {read} could be read")


if __name__ == "__main__":
    sys.exit(main())
