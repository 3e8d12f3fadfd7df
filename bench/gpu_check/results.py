"""The files that the check writes, anew after every part: what they hold then is kept if the next part never ends.

check.json    the machine, the calls, and an entry for each part, always with the same fields
records.json  all that gesso-bench has measured, one record a line, each with its part
logs.txt      the end of each part's log; parts that did not pass stand first
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gpu_check.figures import Figures, read_records
from gpu_check.parts import PARTS, Part
from gpu_check.runner import ENDED, FAILED, NOT_RUN, PASSED, Outcome
from gpu_check.setting import Setting

FILES = ("check.json", "records.json", "logs.txt")
LOG_CHARACTERS = 200_000  # of each part
DONE = (PASSED, FAILED)
RULE = "=" * 100 + "\n"


class Results:
    """What is known of every part of `parts`, from this call and from earlier ones."""

    def __init__(self, folder: Path, setting: Setting, parts: list[Part] = PARTS) -> None:
        self.folder, self.setting = folder, setting
        self.entries = {part.name: entry_of(part, Outcome(NOT_RUN), {}) for part in parts}
        self.records: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self.calls: list[dict[str, Any]] = []

    def read(self, folder: Path) -> None:
        """Takes over what an earlier call has left in a folder."""
        if not (folder / "check.json").exists():
            sys.exit(f"{folder}: expected the results of an earlier call, and there is no check.json")
        try:
            check, records, logs = (
                (folder / "check.json").read_text(encoding="utf-8"),
                (folder / "records.json").read_text(encoding="utf-8"),
                (folder / "logs.txt").read_text(encoding="utf-8"),
            )
            self.take_over(json.loads(check), json.loads(records), logs)
        except (OSError, ValueError, LookupError, TypeError) as error:
            sys.exit(f"{folder}: expected the results of an earlier call: {type(error).__name__}: {error}")

    def take_over(self, check: dict[str, Any], records: list[dict[str, Any]], logs: str) -> None:
        if check["is_rehearsal"] != self.setting.is_rehearsal:
            raise ValueError("a rehearsal's results and those of a GPU cannot be joined; --out names another folder")
        self.calls, self.records = check["calls"], [record for record in records if record["part"] in self.entries]
        self.entries |= {entry["part"]: entry for entry in check["parts"] if entry["part"] in self.entries}
        for piece in logs.split(RULE)[1:]:
            name, _, log = piece.partition("\n")
            self.logs[name] = log

    def add(self, part: Part, outcome: Outcome) -> Outcome:
        """Returns the outcome. It is a failure where the part's figures cannot be read."""
        figures: Figures = {}
        records: list[dict[str, Any]] = []
        try:
            figures, records = part.read(self.setting, outcome.log), read_records(self.setting)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            note = f"its figures cannot be read: {type(error).__name__}: {error}"
            outcome = replace(outcome, status=FAILED if outcome.status == PASSED else outcome.status, note=note)
        self.entries[part.name] = entry_of(part, outcome, figures)
        self.logs[part.name] = outcome.log[-LOG_CHARACTERS:].replace(RULE, "")
        self.records = [record for record in self.records if record["part"] != part.name]
        self.records += [{"part": part.name, **record} for record in records]
        return outcome

    def is_done(self, part: Part) -> bool:
        """Whether it has come to an end. A part that was ended, or that lacked something, may be run again."""
        return self.entries[part.name]["status"] in DONE

    def was_ended(self, part: Part) -> bool:
        return self.entries[part.name]["status"] == ENDED

    def write(self) -> None:
        check = {
            "is_rehearsal": self.setting.is_rehearsal,
            "kit": self.setting.about_kit,
            "machine": self.setting.machine,
            "calls": self.calls,
            "parts": list(self.entries.values()),
        }
        names = sorted(self.logs, key=lambda name: self.entries[name]["status"] == PASSED)
        texts = (
            json.dumps(check, indent=1),
            "[\n" + ",\n".join(map(json.dumps, self.records)) + "\n]",
            "".join(f"{RULE}{name}\n{self.logs[name]}" for name in names),
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, texts, strict=True):
            new = self.folder / f".{name}.new"
            new.write_text(text + "\n", encoding="utf-8")
            new.replace(self.folder / name)


def entry_of(part: Part, outcome: Outcome, figures: Figures) -> dict[str, Any]:
    told = asdict(outcome)
    del told["log"]
    return {"part": part.name, "limit_seconds": part.seconds, **told, "figures": figures}
