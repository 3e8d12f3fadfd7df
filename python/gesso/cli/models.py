"""`gesso list` and `gesso rm`: the models that are here, and how those from a hub go away."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from gesso import ArgumentError, _native
from gesso.cli.parts.command_parser import CommandParser
from gesso.files.short_names import bundled_models
from gesso.hub.cached import CacheContents, Removal, read_cache
from gesso.hub.names import name_and_pattern, printable
from gesso.loading import naming_fields_of, open_checkpoint
from gesso.measure.text import columns, show_bytes

LIST_EXAMPLES = {
    "gesso list": "Lists the bundled models and those that `gesso pull` has downloaded.",
    "gesso list --json": "Does so for programs.",
}
RM_EXAMPLES = {
    "gesso rm org/name": "Removes all models of this repository, after a question.",
    "gesso rm org/name --file '*Q8_0*' --yes": "Removes one of them without a question.",
}


class Entry(TypedDict):
    """A model as `gesso list --json` shows it. `size` is in bytes; `problem` says why gesso cannot load it."""

    name: str
    file: str
    size: int
    path: str
    bundled: bool
    revision: str | None
    refs: list[str]
    problem: str | None


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    listing = subparsers.add_parser(
        "list",
        help="list the models that are here",
        description="Lists the models that come with gesso and those in the cache of the Hugging Face hub. Their names"
        " serve wherever a command takes a model; if a name has several files, ORGANISATION/NAME/FILE says which.",
        examples=LIST_EXAMPLES,
    )
    listing.set_defaults(command=list_models)
    listing.add_argument("--json", action="store_true", help="print JSON; sizes are in bytes")
    removal = subparsers.add_parser(
        "rm",
        help="remove a downloaded model",
        description="Removes a model from the cache of the Hugging Face hub, with all of its revisions and with what an"
        " unfinished download has left. It asks first.",
        examples=RM_EXAMPLES,
    )
    removal.set_defaults(command=remove)
    removal.add_argument("model", metavar="NAME", help="the name on the hub: ORGANISATION/NAME")
    removal.add_argument("--file", metavar="PATTERN", help="remove only the models with such a file, as '*Q4_K_M*'")
    removal.add_argument("--yes", action="store_true", help="do not ask")


def list_models(options: argparse.Namespace) -> int:
    entries = [describe(name, file.name, file, bundled=True) for name, file in bundled_models().items()]
    cache, problems = CacheContents([], {}, []), []
    try:
        cache = read_cache()
    except ModuleNotFoundError as error:
        problems = [f"models in the hub's cache are not listed: {error}"]
    for each in cache.models:
        entries.append(describe(each.repository, each.model.name, each.path, each.size, each.commit, each.refs))
    for problem in [*problems, *cache.problems]:
        print(f"gesso: warning: {printable(problem)}", file=sys.stderr)
    if options.json:
        partial = [{"name": name, "size": size} for name, size in cache.partial.items()]
        print(json.dumps({"models": entries, "partial": partial}, indent=2))
    else:
        print("\n".join(lines(entries, cache.partial)))
    return 0


def describe(
    name: str,
    file: str,
    path: Path,
    size: int | None = None,
    revision: str | None = None,
    refs: tuple[str, ...] = (),
    *,
    bundled: bool = False,
) -> Entry:
    return {
        "name": name,
        "file": file,
        "size": path.stat().st_size if size is None else size,
        "path": str(path),
        "bundled": bundled,
        "revision": revision,
        "refs": list(refs),
        "problem": problem_of(path),
    }


def problem_of(path: Path) -> str | None:
    """Why gesso cannot load a model, as far as its metadata and the names of its tensors say it; its weights are not
    read."""
    try:
        checkpoint = open_checkpoint(path, with_values=False)
        with naming_fields_of(path):
            _native.read_config(checkpoint)
    except (OSError, ValueError, MemoryError) as error:
        return str(error)
    return None


def lines(entries: list[Entry], partial: dict[str, int]) -> Iterator[str]:
    """Yields the table for people."""
    rows = [("name", "file", "size", "gesso can load it", "path")]
    for entry in entries:
        can_load = "yes" if entry["problem"] is None else "no"
        rows.append((entry["name"], entry["file"], show_bytes(entry["size"]), can_load, entry["path"]))
    yield from columns([tuple(map(printable, row)) for row in rows], right=(2,))
    for name, size in partial.items():
        yield f"{printable(name)}: a download that has not ended, {show_bytes(size)}; `gesso pull` goes on with it"


def remove(options: argparse.Namespace) -> int:
    if options.model in bundled_models():
        raise ArgumentError(f"{options.model} comes with gesso and cannot be removed")
    repository, pattern = name_and_pattern(options.model, options.file)
    removal = Removal(repository, pattern)
    what = f"{repository} ({', '.join(map(printable, removal.models)) or 'no whole model'}), {show_bytes(removal.size)}"
    if not options.yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ArgumentError(f"this removes {what}; give --yes, since nobody can be asked")
        print(f"Remove {what}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("Nothing was removed.", file=sys.stderr)
            return 1
    removal.run()
    print(f"removed {what}")
    return 0
