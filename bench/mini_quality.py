"""How many tasks the bundled model "mini" does right, and in how many steps, by sampler settings and by quant.

    python bench/mini_quality.py [--model FILE] [--dialogues 1000] [-o FILE] [--only NAME ...]

A change that makes gesso faster may change what it writes, for example fewer steps, another sampler or other types.
This says what such a change costs. All rows answer the same dialogues, which are held out from training, with the same
seeds. `right` counts replies that the task's own check accepts, and `steps per canvas` those of a reply. The bars are
what the model is meant to reach with its own settings. Records are a line each: bench/results/mini_quality.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gesso
from gesso.cli.program import main as gesso_command
from gesso.files.locate import locate
from keep import to_lines

sys.path.append(str(Path(__file__).resolve().parents[1] / "python/training"))

from mini.arguments import new_file, num_dialogues, positive_int
from mini.evaluation import Example, ask, draw_examples, record, score

DEFAULT = "as bundled"


@dataclass(frozen=True)
class Setting:
    """A row: the preset of `gesso quantize`, or None for the file as it is; how inputs are rounded; and options."""

    name: str
    preset: str | None = None
    activations: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)


PRESETS = ("Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_XS", "NVFP4")
OPTIONS: tuple[dict[str, Any], ...] = (
    {"max_denoising_steps": 4},
    {"max_denoising_steps": 8},
    {"entropy_bound": 0.02},
    {"entropy_bound": 0.5},
    {"confidence_threshold": 0.05},
    {"stability_threshold": 0},
    {"stability_threshold": 2},
    {"t_min": 0.2, "t_max": 0.4},
    {"t_min": 0.8, "t_max": 1.2},
)
SETTINGS = [
    Setting(DEFAULT),
    Setting("float32 activations", activations="f32"),
    *(Setting(preset, preset) for preset in PRESETS),
    *(Setting(", ".join(f"{key} {value:g}" for key, value in each.items()), options=each) for each in OPTIONS),
]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", metavar="FILE")
    parser.add_argument("--dialogues", type=num_dialogues, default=1000, metavar="N")
    parser.add_argument("--threads", type=positive_int)
    parser.add_argument("--only", nargs="+", choices=[setting.name for setting in SETTINGS], metavar="NAME")
    parser.add_argument("-o", dest="output", type=new_file, metavar="FILE", help="write the records to a file as well")
    options = parser.parse_args(arguments)
    chosen = [setting for setting in SETTINGS if options.only is None or setting.name in options.only]
    records = []
    print("\n".join(HEAD))
    for each in measure(locate(options.model), chosen, draw_examples(options.dialogues), options.threads):
        records.append(each)
        print(row(each), flush=True)
    if options.output:
        options.output.write_text(to_lines(records), encoding="utf-8")
    return 0


def measure(
    source: Path, settings: Sequence[Setting], examples: Sequence[Example], num_threads: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yields the record of each setting."""
    with TemporaryDirectory() as folder:
        for setting in settings:
            file = source if setting.preset is None else quantize(source, Path(folder), setting.preset)
            model = gesso.load(file, "cpu", num_threads, activations=setting.activations)
            scores = score(examples, ask(model, examples, **setting.options))
            yield {
                "kind": "mini_quality",
                "setting": setting.name,
                "preset": setting.preset,
                "activations": model.activations,
                "options": dict(setting.options),
                "file_bytes": file.stat().st_size,
                "gesso_version": gesso.__version__,
                **record(scores),
            }


def quantize(source: Path, folder: Path, preset: str) -> Path:
    file = folder / f"{preset}.gguf"
    if not file.exists():
        with redirect_stdout(sys.stderr):
            if gesso_command(["quantize", str(source), str(file), "--preset", preset]) != 0:
                raise SystemExit(f"gesso quantize --preset {preset} has failed")
    return file


HEAD = [
    "| setting | file | right | steps per canvas | tokens per step |",
    "|---|--:|--:|--:|--:|",
]


def row(record: Mapping[str, Any]) -> str:
    """A line of the table in the documentation."""
    right, steps, tokens = record["right"], record["steps_per_canvas"], record["tokens_per_canvas"]
    return (
        f"| {record['setting']} | {record['file_bytes'] / 1e6:.2f} MB | {right / record['dialogues']:.1%}"
        f" | {steps:.2f} | {tokens / steps:.2f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
