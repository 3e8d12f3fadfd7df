"""Lists that stand in two places say the same: the checks in Makefile, .ci/run and the presets."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DESCRIBED = re.compile(r"^# make ([a-z0-9-]+)", re.MULTILINE)


def make_problems(makefile: str, script: str, presets: str) -> list[str]:
    """makefile: its targets against its header; script: .ci/run, against the targets; presets: those that are built."""
    described = set(DESCRIBED.findall(makefile.partition("\n\n")[0]))
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    # Parts of `make test`, for those who want one of them.
    targets -= {"native", "emulated"}
    found = [f"make {name}: described or there, not both" for name in sorted(described ^ targets)]
    steps = re.findall(r"^step make ([a-z0-9]+)", script, re.MULTILINE)
    found += [f".ci/run: make {name} is no target" for name in steps if name not in targets]
    by_kind = json.loads(presets)
    configured = {preset["name"] for preset in by_kind["configurePresets"]}
    for kind in ("buildPresets", "testPresets"):
        named = {preset["name"] for preset in by_kind[kind]}
        # cuda has no native tests of its own, and those of gpu-kit run on another machine.
        found += [f"{kind}: {name} is missing" for name in sorted(configured - named - {"cuda", "gpu-kit"})]
    by_hand = configured & {"cpu", "debug"}  # the library alone, and a debugger's
    built = set(re.findall(r"\$\(call build,([a-z0-9-]+)", makefile)) | by_hand
    return found + [f"Makefile builds {name}, or there is a preset; not both" for name in sorted(built ^ configured)]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_checks_are_listed_once():
    assert make_problems(read("Makefile"), read(".ci/run"), read("CMakePresets.json")) == []
    assert len(re.findall(r"^step make", read(".ci/run"), re.MULTILINE)) > 5


GOOD = (
    "# make a    does a\n\n.PHONY: a native\na:\n\t$(call build,x)\n",
    "step make a\n",
    json.dumps(
        {kind: [{"name": "x"}, {"name": "debug"}] for kind in ("configurePresets", "buildPresets", "testPresets")}
    ),
)


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        (0, "# make a    does a", "#"),
        (0, ".PHONY: a native", ".PHONY: a b native"),
        (0, "build,x", "build,y"),
        (1, "make a", "make c"),
        (2, '"testPresets": [{"name": "x"}', '"testPresets": [{"name": "y"}'),
    ],
)
def test_a_planted_difference_is_found(place, before, after):
    assert make_problems(*GOOD) == []
    changed = list(GOOD)
    assert before in changed[place]
    changed[place] = changed[place].replace(before, after)
    assert make_problems(*changed) != []
