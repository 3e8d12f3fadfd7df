"""The parts of the check, the most valuable first: what each runs, for how long at most, and what it needs.

The parts up to LAST_OF_FIRST_CALL fit into one call of nine minutes even if each takes all of its time. Parts usually
end sooner, and then the call gets further.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from gpu_check.figures import (
    Figures,
    read_answers,
    read_kernels,
    read_measured,
    read_nothing,
    read_sanitizer,
    read_tests,
)
from gpu_check.setting import ROOT, Setting

Command = list[str]
Commands = Callable[[Setting], list[Command]]

LAST_OF_FIRST_CALL = "ncu_head"
SECTIONS = ("SpeedOfLight", "LaunchStats", "Occupancy", "MemoryWorkloadAnalysis", "SchedulerStats", "WarpStateStats")


@dataclass(frozen=True)
class Part:
    name: str
    seconds: int  # then it is ended
    commands: Commands  # they run one after another and share the time; the part fails if one of them does
    read: Callable[[Setting, str], Figures]  # what the log and the measured records say
    tool: str = ""  # a program that the commands begin with; a rehearsal without it runs what stands behind
    needs_python: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """What must be there to run it. The first part makes what the others need."""
        if self.name == PARTS[0].name:
            return ("archive",)
        return ("kit", *(["python"] if self.needs_python else []), *([self.tool] if self.tool else []))


def unpack(setting: Setting) -> list[Command]:
    return [[sys.executable, "-m", "gpu_check.kit", "unpack", str(setting.archive), str(setting.kit)]]


def answers(models: tuple[str, ...], kinds: tuple[str, ...], count: int, *tool: str) -> Commands:
    """Small models on the card against what they answer on the CPU. No models: all that the kit has answers of, but in
    a rehearsal the first three. The bundled model, the last, keeps the emulator busy for half a minute."""

    def commands(setting: Setting) -> list[Command]:
        found = setting.about_kit["answers"]
        chosen = models or (list(found)[:3] if setting.is_rehearsal else found)
        number = str(1 if setting.is_rehearsal else count)
        return [
            [*with_tool(setting, tool), setting.program("gesso_gpu_answers"), str(ROOT / found[model]),
             str(setting.kit / "answers" / f"{model}.txt"), "--activations", kind, "--count", number]
            for model in chosen
            for kind in kinds
        ]  # fmt: skip

    return commands


# What gesso-bench makes random weights of. Six layers have one that sees all tokens, and more weights than any L2 cache
# holds.
MODELS = {"layer": "26b-a4b:Q4_K_M:1", "ops": "26b-a4b:Q4_K_M:6", "q4_k_m": "26b-a4b:Q4_K_M", "q8_0": "26b-a4b:Q8_0"}


def bench(model: str, *options: str, tool: tuple[str, ...] = ()) -> Commands:
    """Measures ops or steps. "ops" has the first six layers of the full model, "layer" the first, others all."""

    def commands(setting: Setting) -> list[Command]:
        types = MODELS[model].split(":")[1]
        synthetic = f"small:{types}:2" if setting.is_rehearsal else MODELS[model]
        subject = ["--synthetic", synthetic, "--device", "cuda"]
        notes = {"commit": setting.about_kit["commit"], "driver": setting.machine["driver"]}
        origin = [word for key, text in notes.items() for word in ("--note", f"{key}={text}")]
        sizes = ["--cached", "16", "--quick"] if setting.is_rehearsal else ["--cached", "1024"]
        program = [*with_tool(setting, tool), setting.program("gesso-bench")]
        return [[*program, *subject, "-o", str(setting.records), *origin, *sizes, *options]]

    return commands


def some_ops(beginnings: str) -> Commands:
    return bench("ops", "--parts", "ops", "--ops", beginnings)


def whole_step(model: str, canvases: int = 1) -> Commands:
    return bench(model, "--canvases", str(canvases), "--parts", "ceilings,steps,ops")


def step_without_early_starts(model: str) -> Commands:
    """The same step, in which each kernel starts when the one before it has ended. It needs no ceilings and no ops."""
    return bench(model, "--canvases", "1", "--parts", "steps", "--early-starts", "no")


def tests(folder: str, activations: str, *rehearsed: str) -> Commands:
    """Device tests; a rehearsal takes a few files of them."""

    def commands(setting: Setting) -> list[Command]:
        chosen = [f"{folder}/{name}.py" for name in rehearsed] if setting.is_rehearsal else [folder]
        workers = str(min(os.cpu_count() or 1, 12))
        options = ["-vv", "-rs", "-p", "no:cacheprovider", "-n", workers, "-o", "faulthandler_timeout=40"]
        return [[sys.executable, "-m", "pytest", *options, "--device", "cuda", "--activations", activations, *chosen]]

    return commands


def sanitizer(name: str) -> tuple[str, ...]:
    return ("compute-sanitizer", "--tool", name, "--error-exitcode", "9", "--print-limit", "20")


def counters(op: str, skipped: int = 0) -> Commands:
    """The counters of four kernels of an op. skipped: at least the number that the pass with the prompt launches, so
    that what is left belongs to denoising steps."""
    sections = [word for section in SECTIONS for word in ("--section", section)]
    chosen = ["--nvtx", "--nvtx-include", f"{op}/", "--launch-skip", str(skipped), "--launch-count", "4"]
    options = ["--quick", "--steps", "6", "--parts", "ops", "--ops", op]
    return bench("layer", *options, tool=("ncu", *chosen, "--clock-control", "none", *sections))


def checked_layer(name: str) -> Commands:
    """The kernels of the full shapes: a prompt, and two steps."""
    return bench("layer", "--quick", "--parts", "ops", tool=sanitizer(name))


def with_tool(setting: Setting, tool: tuple[str, ...]) -> tuple[str, ...]:
    return () if tool and setting.is_rehearsal and setting.missing(tool[0]) else tool


def schedules(setting: Setting) -> list[Command]:
    count = "2" if setting.is_rehearsal else "40"
    golden = ["--golden-model", str(ROOT / "tests/golden/mixed.gguf")]
    return [[setting.program("engine_schedules"), "--device", "cuda", "--count", count, *golden]]


def sudoku(setting: Setting) -> list[Command]:
    puzzles = "1" if setting.is_rehearsal else "40"
    return [[sys.executable, str(ROOT / "bench/small_model.py"), "--puzzles", puzzles]]


BOTH = ("bf16", "int8")
PARTS = [
    Part("unpack", 30, unpack, read_nothing),
    Part("first_kernels", 20, answers(("mixed", "q8_0"), ("bf16",), 1), read_answers),
    Part("ops_bf16", 70, tests("tests/ops", "bf16", "test_rms_norm", "test_route"), read_tests, needs_python=True),
    Part("small_models", 45, answers((), BOTH, 1000), read_answers),
    Part("op_experts", 30, some_ops("expert_"), read_measured),
    Part("step_q4_k_m", 60, whole_step("q4_k_m"), read_measured),
    Part("op_router", 15, some_ops("router"), read_measured),
    Part("op_attention", 20, some_ops("attention,qk_norm_rope"), read_measured),
    Part("op_head", 20, some_ops("head_stats"), read_measured),
    Part("step_q8_0", 60, whole_step("q8_0"), read_measured),
    Part("memcheck", 40, answers(("q8_0",), BOTH, 1, *sanitizer("memcheck")), read_sanitizer, "compute-sanitizer"),
    Part("racecheck", 40, answers(("q8_0",), BOTH, 1, *sanitizer("racecheck")), read_sanitizer, "compute-sanitizer"),
    Part("ncu_experts", 20, counters("expert_gated_linear", skipped=2), read_kernels, "ncu"),
    Part("ncu_attention", 20, counters("attention sliding", skipped=2), read_kernels, "ncu"),
    Part("ncu_head", 20, counters("head_stats"), read_kernels, "ncu"),
    # What follows is for the second call.
    Part("ops_int8", 70, tests("tests/ops", "int8", "test_route"), read_tests, needs_python=True),
    Part("step_late_starts", 40, step_without_early_starts("q4_k_m"), read_measured),
    Part("memcheck_layer", 60, checked_layer("memcheck"), read_sanitizer, "compute-sanitizer"),
    Part("racecheck_layer", 60, checked_layer("racecheck"), read_sanitizer, "compute-sanitizer"),
    Part("step_batch_8", 60, whole_step("q4_k_m", canvases=8), read_measured),
    Part("models", 90, tests("tests/cuda", "bf16", "test_devices"), read_tests, needs_python=True),
    Part("schedules", 30, schedules, read_nothing),
    Part("synccheck", 30, answers(("q8_0",), BOTH, 1, *sanitizer("synccheck")), read_sanitizer, "compute-sanitizer"),
    Part("initcheck", 30, answers(("q8_0",), BOTH, 1, *sanitizer("initcheck")), read_sanitizer, "compute-sanitizer"),
    Part("synccheck_layer", 60, checked_layer("synccheck"), read_sanitizer, "compute-sanitizer"),
    Part("initcheck_layer", 60, checked_layer("initcheck"), read_sanitizer, "compute-sanitizer"),
    Part("generations", 60, bench("q4_k_m", "--canvases", "1,8", "--parts", "generations"), read_measured),
    Part("sudoku", 90, sudoku, read_nothing, needs_python=True),
]  # fmt: skip
