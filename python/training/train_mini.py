"""Trains the small model "mini", which talks, calculates and calls tools, on the CPU.

    OMP_WAIT_POLICY=PASSIVE python python/training/train_mini.py --work build/mini

A run that was stopped, with Ctrl-C or SIGTERM, goes on from its state in the folder --work, with the same --seed and
--batch. Lines that the log has of later steps are dropped, since they are computed again. Without a state it begins
with the weights that --weights names, or from the seed. The data and the noise of a step depend on (seed, step) only.
So a run that goes on from its state computes what a run without a stop would have computed, and 200 steps from the seed
give the same losses each time, with the same number of threads.

`--weights FILE` goes on from the weights.safetensors of an earlier run, and its curve from the log.jsonl that lies
beside them. Those of the bundled model are in python/training/mini/trained/; `bundle_mini.py` puts new ones there.

On a machine with other work, the run takes what is left if it is started like this:

    export OMP_WAIT_POLICY=PASSIVE MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000
    setsid nohup chrt -i 0 python python/training/train_mini.py --work build/mini --compile &

Threads that wait must not turn in a loop, and large tensors should not go back to the system after each use.

--parts-from says where the second part and those behind it begin. The second has sums more often, and tools that are
asked about any words; begin it when the other tasks are learnt. From the third on, what is learnt comes less often, and
the model also sees canvases with its own mistakes. In the fourth, questions have others before them, and the fifth has
more sums of small numbers. Lines of the log have "part": 2 and so on.

The learning rate rises, stays, and falls only when --decay-from says so: a run that is cut into pieces does not know
its end. The folder gets log.jsonl, the curve of the losses; state.pt, the whole state; and weights.safetensors, the
averaged weights in 8 bits. `mini/objective.py` says what the loss is.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from mini import fused
from mini.arguments import positive, positive_int
from mini.generator import NUM_PARTS
from mini.trainer import Plan, Trainer


def make_folder(folder: Path) -> None:
    """Also tries whether it can be written in, since the first save comes after minutes of work."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the state, the weights and the log")
    parser.add_argument("--weights", type=Path, help="begin with these weights if the folder has no state")
    parser.add_argument("--steps", type=positive_int, default=1_000_000, help="the step to end at")
    parser.add_argument("--batch", type=positive_int, default=64, help="dialogues in a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=positive_int, default=2)
    parser.add_argument("--muon-rate", type=positive, default=0.01)
    parser.add_argument("--adam-rate", type=positive, default=2e-3)
    parser.add_argument("--warm-up", type=positive_int, default=100)
    parser.add_argument("--decay-from", type=int, help="the step where the learning rate begins to fall")
    parser.add_argument("--decay-steps", type=positive_int, default=1000)
    parser.add_argument(
        "--parts-from", type=int, nargs="*", default=[], metavar="STEP", help="where part 2 and those behind it begin"
    )
    parser.add_argument("--log-every", type=positive_int, default=50)
    parser.add_argument("--held-out-every", type=positive_int, default=200)
    parser.add_argument("--save-minutes", type=positive, default=5)
    parser.add_argument("--float32", action="store_true", help="no product in bfloat16")
    parser.add_argument("--compile", action="store_true", help="compile small functions; needs a C++ compiler")
    arguments = parser.parse_args()
    starts = arguments.parts_from
    if len(starts) >= NUM_PARTS or starts != sorted({*starts}) or min(starts, default=0) < 0:
        parser.error(f"--parts-from: expected at most {NUM_PARTS - 1} rising steps from 0 on, got {starts}")
    torch.set_num_threads(arguments.threads)
    if arguments.compile:
        fused.compile_all()
    plan = Plan(
        seed=arguments.seed,
        batch=arguments.batch,
        steps=arguments.steps,
        muon_rate=arguments.muon_rate,
        adam_rate=arguments.adam_rate,
        warm_up=arguments.warm_up,
        decay_from=arguments.decay_from,
        decay_steps=arguments.decay_steps,
        log_every=arguments.log_every,
        held_out_every=arguments.held_out_every,
        save_minutes=arguments.save_minutes,
        parts_from=tuple(arguments.parts_from),
    )
    dtype = torch.float32 if arguments.float32 else torch.bfloat16
    try:
        make_folder(arguments.work)
        trainer = Trainer(plan, arguments.work, arguments.weights, dtype)
    except (OSError, ValueError) as error:  # of the folder, the state or the weights
        parser.exit(1, f"{parser.prog}: {error}\n")
    trainer.run()


if __name__ == "__main__":
    main()
