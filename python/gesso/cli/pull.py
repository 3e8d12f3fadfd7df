"""`gesso pull`: downloads a model from a Hugging Face hub."""

from __future__ import annotations

import argparse
import sys
import time

from gesso import ArgumentError
from gesso.cli.parts.command_parser import CommandParser
from gesso.hub.choices import Choice
from gesso.hub.library import silence
from gesso.hub.names import name_and_pattern, printable
from gesso.hub.pull import Pull, find, models_of
from gesso.hub.remote import Listing
from gesso.measure.text import columns, show_bytes
from gesso.terminal.progress import Progress

REFRESH_SECONDS = 1 / 20
EXAMPLES = {
    "gesso pull org/name": "Downloads the model, if the repository has one; else it asks which.",
    "gesso pull org/name --file '*Q4_K_M*'": "Downloads the model with such a file.",
    "HF_HUB_CACHE=/data/models gesso pull org/name --revision v1.0": "Downloads that version into another cache.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "pull",
        help="download a model",
        description="Downloads a model from a Hugging Face hub into its cache (HF_HUB_CACHE, or HF_HOME), and prints"
        " the path. A download that was interrupted goes on where it ended. For models that are not public, log in with"
        " `hf auth login`.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=pull)
    parser.add_argument("model", metavar="NAME", help="the name on the hub: ORGANISATION/NAME")
    parser.add_argument(
        "--file",
        metavar="PATTERN",
        help="which GGUF file, if there are several, for example '*Q4_K_M*'; of a split file, any part",
    )
    parser.add_argument("--revision", metavar="NAME", default="main", help="a branch, a tag or a commit; default: main")


def pull(options: argparse.Namespace) -> int:
    repository, pattern = name_and_pattern(options.model, options.file)
    silence()
    listing = find(repository, options.revision)
    models = models_of(listing, pattern)
    work = Pull(listing, models[0] if len(models) == 1 else ask(listing, models))
    there, free = work.bytes_there(), work.check_space()
    if there < work.size:
        kept = f", of which {show_bytes(there)} are here" if there else ""
        size = f"{show_bytes(work.size)}{kept}; {show_bytes(free)} are free in {printable(str(work.folder.parent))}"
        print(f"{repository}: {printable(work.model.name)}, {size}", file=sys.stderr, flush=True)
    path = download(work, repository)
    print(printable(str(path)) if sys.stdout.isatty() else path)
    return 0


def ask(listing: Listing, models: list[Choice]) -> Choice:
    """Lets somebody at a terminal choose. Elsewhere the list goes to standard error, and the command fails."""
    rows = [(str(i), printable(model.name), size_of(listing, model)) for i, model in enumerate(models, 1)]
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    print(f"{listing.repository} has {len(models)} models:", file=sys.stderr)
    print(
        "\n".join(columns([row if can_ask else row[1:] for row in rows], right=(0,) if can_ask else ())),
        file=sys.stderr,
    )
    while can_ask:
        print(f"Which one? 1 to {len(models)}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)
            break
        if line.strip().isdecimal() and 1 <= int(line) <= len(models):
            return models[int(line) - 1]
    raise ArgumentError(f"{listing.repository}: choose one of its {len(models)} models with --file")


def size_of(listing: Listing, model: Choice) -> str:
    size = listing.size(model)
    parts = f" in {len(model.files)} files" if len(model.files) > 1 else ""
    return ("" if size is None else show_bytes(size)) + parts


def download(work: Pull, title: str) -> object:
    """Downloads, shows how far it is, and returns the path. After Ctrl-C it says what is there."""
    last = 0.0

    def show(done: int, total: int, file: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= REFRESH_SECONDS:
            last = now
            progress.update(done, total, printable(file))

    try:
        with Progress(title, begun=work.bytes_there()) as progress:
            return work.run(show)
    except KeyboardInterrupt:
        kept = f"{show_bytes(work.bytes_there())} of {show_bytes(work.size)} are here"
        print(f"gesso: {kept}; the same command goes on from there", file=sys.stderr)
        raise
