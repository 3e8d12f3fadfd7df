"""gesso beside llama.cpp and transformers: the same work in one run, in turns, and the ratios of their times.

    python bench/peers/run.py [--peers llama.cpp,transformers] [--quant Q4_K_M,Q8_0] [--layers 6] [-o RESULT.json]

bench/peers/README.md says what must be installed. A peer that is not installed is left out, and a message says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from worker import Sample, Worker

from gesso.measure.memory import available_bytes
from gesso.measure.record import spread
from gesso.measure.text import show_bytes
from gesso.synth.model import CONFIGS
from harness import origin

PRESET = "26b-a4b"
PARTS, STEP = "layers and head", "whole step"
MODULES = {"llama.cpp": "llama_cpp", "transformers": "transformers"}
TIMES = ("wall_ms", "cpu_ms")
Samples = dict[tuple[str, str], list[Sample]]  # (runtime, work) -> a sample per turn


@dataclass(frozen=True)
class Ratio:
    """Two pieces of work whose times are compared, and the largest ratio wanted, if there is one."""

    above: tuple[str, str]
    below: tuple[str, str]
    bound: float | None = None


RATIOS = {
    "llama.cpp": [
        Ratio(("gesso", PARTS), ("llama.cpp", PARTS), 0.6),
        Ratio(("gesso", STEP), ("gesso", PARTS), 1.25),
        Ratio(("gesso", STEP), ("llama.cpp", PARTS)),
    ],
    "transformers": [
        Ratio(("gesso", PARTS), ("transformers", PARTS)),
        Ratio(("gesso", STEP), ("transformers", STEP), 0.25),
    ],
}


def make_file(folder: Path, quant: str, layers: int, architecture: str) -> Path:
    """A model of `gesso synth`. The file is made if it does not exist yet."""
    path = folder / f"{PRESET}-{quant}-{layers}-{architecture}.gguf"
    if not path.exists():
        options = ["--sizes", PRESET, "--preset", quant, "--layers", str(layers), "--as", architecture]
        subprocess.run([sys.executable, "-m", "gesso", "synth", *options, str(path)], check=True, stdout=sys.stderr)
    return path


def check_memory(peer: str, model_bytes: int, layers: int) -> None:
    """Fails unless there is memory for both runtimes' weights and some rows of logits."""
    bf16_bytes = 1.5e9 + 1.65e9 * layers
    needed = int(model_bytes + (model_bytes if peer == "llama.cpp" else bf16_bytes) + 2e9)
    free = available_bytes()
    if free is not None and needed > free:
        raise MemoryError(f"{peer} beside gesso needs about {show_bytes(needed)}, {show_bytes(free)} are free")


def start_peer(peer: str, folder: Path, quant: str, options: argparse.Namespace) -> Worker:
    threads = str(options.threads)
    if peer == "llama.cpp":
        return Worker("llama_cpp_worker.py", str(make_file(folder, quant, options.layers, "gemma4")), threads)
    config = CONFIGS / PRESET / "config.json"
    return Worker("transformers_worker.py", str(config), str(options.layers), threads)


def take_turns(workers: dict[str, Worker], works: Sequence[tuple[str, str]], turns: int) -> Samples:
    """Runs the works one after the other, turn by turn. The first turn warms up and does not count."""
    samples: Samples = {work: [] for work in works}
    for turn in range(turns + 1):
        for runtime, work in works:
            sample = workers[runtime].run(work)
            wall, cpu = sample["wall_ms"], sample["cpu_ms"]
            print(f"turn {turn}: {runtime}, {work}: {wall:.0f} ms, {cpu:.0f} ms of CPU time", file=sys.stderr)
            if turn > 0:
                samples[runtime, work].append(sample)
    return samples


def measure(peer: str, quant: str, folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The records of the times, then those of the ratios."""
    ours = make_file(folder, quant, options.layers, "diffusion-gemma")
    check_memory(peer, ours.stat().st_size, options.layers)
    workers = {
        "gesso": Worker("gesso_worker.py", str(ours), str(options.threads), options.activations),
        peer: start_peer(peer, folder, quant, options),
    }
    works = [("gesso", PARTS), (peer, PARTS), ("gesso", STEP)] + ([(peer, STEP)] if peer == "transformers" else [])
    samples = take_turns(workers, works, options.turns)
    for worker in workers.values():
        worker.close()
    identity = {"peer": peer, "quant": quant, "layers": options.layers, "num_threads": options.threads, "rows": 256}
    for (runtime, work), taken in samples.items():
        times = {name: spread([sample[name] for sample in taken]) for name in TIMES}
        yield identity | {"runtime": runtime, "work": work, "about": workers[runtime].about} | times
    for ratio in RATIOS[peer]:
        yield identity | ratio_record(ratio, samples)


def ratio_record(ratio: Ratio, samples: Samples) -> dict[str, Any]:
    """Ratios are taken within each turn, so that a disturbance of one turn meets both works."""
    pairs = list(zip(samples[ratio.above], samples[ratio.below], strict=True))
    ratios = {f"{name[:-3]}_ratio": spread([a[name] / b[name] for a, b in pairs]) for name in TIMES}
    same = ratio.above[1] == ratio.below[1]
    work = ratio.above[1] if same else f"{ratio.above[1]} / {ratio.below[1]}"
    return {"runtime": f"{ratio.above[0]} / {ratio.below[0]}", "work": work, "bound": ratio.bound} | ratios


def show(record: dict[str, Any]) -> str:
    label = f"{record['quant']:7} {record['runtime']:20} {record['work']:28}"
    if "wall_ms" in record:
        wall, cpu = record["wall_ms"], record["cpu_ms"]
        spans = (
            f"{wall['median']:8.0f} ms  ({wall['p10']:.0f} to {wall['p90']:.0f}), {cpu['median']:.0f} ms of CPU time"
        )
        return f"{label} {spans}"
    wall, cpu, bound = record["wall_ratio"], record["cpu_ratio"], record["bound"]
    verdict = "" if bound is None else f", {'within' if wall['median'] <= bound else 'MISSES'} {bound}"
    spans = f"{wall['median']:8.3f}     ({wall['p10']:.3f} to {wall['p90']:.3f}), {cpu['median']:.3f} of CPU time"
    return f"{label} {spans}{verdict}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=",".join(MODULES), help="default: all")
    parser.add_argument("--quant", default="Q4_K_M,Q8_0", help="of gesso and llama.cpp; default: Q4_K_M,Q8_0")
    parser.add_argument("--layers", type=int, default=6, help="of the 26B-A4B model, at full width; default: 6")
    parser.add_argument("--threads", type=int, default=2, help="of every runtime; default: 2")
    parser.add_argument("--turns", type=int, default=5, help="default: 5")
    parser.add_argument("--activations", default="auto", help="of gesso; default: auto")
    parser.add_argument("--folder", type=Path, help="where the models are, or are made; default: a temporary one")
    parser.add_argument("-o", dest="output", type=Path, metavar="RESULT.json")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    peers = options.peers.split(",")
    installed = [peer for peer in peers if importlib.util.find_spec(MODULES[peer])]
    for peer in set(peers) - set(installed):
        print(f"{peer}: not installed, left out (the module {MODULES[peer]})", file=sys.stderr)
    stamp, records = origin("peer"), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for peer in installed:
            for quant in options.quant.split(","):
                for record in measure(peer, quant, folder, options):
                    print(show(record), flush=True)
                    records.append(stamp | record)
    if options.output:
        options.output.write_text(json.dumps(records, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
