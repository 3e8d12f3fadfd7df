"""`gesso imatrix`: measures with a text which columns of the weights matter most, for `gesso quantize --imatrix`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gesso import _native
from gesso.cli.parts.command_parser import CommandParser, add_json, add_no_mmap, add_seed, add_threads, integer
from gesso.files.checkpoint import Value
from gesso.files.imatrix import write_imatrix
from gesso.files.partial_file import check_target
from gesso.files.regular_file import as_path, read_text
from gesso.loading import naming_fields_of, open_checkpoint
from gesso.measure.importance import collect
from gesso.measure.text import counted, json_text
from gesso.model import Model
from gesso.terminal.progress import Progress

EXAMPLES = {
    "gesso imatrix bf16.gguf text.txt imatrix.gguf": "Measures with a whole text.",
    "gesso imatrix bf16.gguf text.txt imatrix.gguf --canvases 100": "Measures with its beginning alone.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "imatrix",
        help="measure which weights matter for a text",
        description="Runs a text through a model, canvas by canvas, and measures how large the values are that each"
        " column of a weight is multiplied with. The larger they are, the more an error in this column counts. OUT is"
        " an importance matrix in llama.cpp's GGUF form; give it to --imatrix of `gesso quantize` or `gesso convert`,"
        " which then round the important columns with more care.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=imatrix)
    parser.add_argument("model", metavar="MODEL", help="a .gguf file or a Hugging Face folder")
    parser.add_argument(
        "text", metavar="FILE", help="a UTF-8 text file; its text should be like what the model will be used for"
    )
    parser.add_argument("out", metavar="OUT", help="the .gguf file to write")
    parser.add_argument(
        "--canvases", type=integer(1), metavar="N", help="use the first N canvases of the text; default: all"
    )
    parser.add_argument(
        "--context",
        type=integer(1),
        default=1024,
        metavar="N",
        help="the model sees at most N tokens at a time; then it starts again with an empty context; default: 1024",
    )
    parser.add_argument(
        "--steps", type=integer(1), default=3, metavar="N", help="denoising passes over each canvas; default: 3"
    )
    add_seed(parser, "seed of the random noise")
    add_threads(parser)
    add_no_mmap(parser)
    add_json(parser)


def imatrix(options: argparse.Namespace) -> int:
    check_target(options.out, options.model)
    text = read_text(as_path(options.text))
    # Activations stay float32: the file is made once, and every model that is quantised with it depends on it.
    checkpoint = open_checkpoint(options.model, mmap=options.mmap)
    check_target(options.out, *checkpoint.files)  # OUT may be another part than the one that was given
    with naming_fields_of(options.model):
        model = Model(_native.Model(checkpoint, "cpu", options.threads or 0, "f32"))
    if model.tokenizer is None:
        raise ValueError(f"{options.model}: the checkpoint has no tokenizer, so it cannot read a text")
    length = model.config.canvas_length
    ids = model.tokenizer.encode(text)
    if options.canvases is not None:
        ids = ids[: options.canvases * length]
    with Progress(options.out, "canvases") as progress:
        entries = collect(
            model,
            ids,
            context=options.context,
            num_steps=options.steps,
            seed=options.seed,
            on_progress=progress.update,
        )
    chunks: dict[str, Value] = {
        "datasets": [Path(options.text).name],
        "chunk_count": len(ids) // length,
        "chunk_size": length,
    }
    write_imatrix(options.out, entries, chunks)
    report = {
        "path": options.out,
        "model": options.model,
        "weights": len(entries),
        "canvases": len(ids) // length,
        "canvas_length": length,
    }
    canvases = counted(len(ids) // length, "canvas", "canvases")
    summary = f"{options.out}: {counted(len(entries), 'weight', 'weights')}, {canvases} of {length} tokens"
    print(json_text(report) if options.json else summary)
    return 0
