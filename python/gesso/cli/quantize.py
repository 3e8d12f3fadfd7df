"""`gesso quantize`: writes a model to a new file whose weights take fewer bits."""

from __future__ import annotations

import argparse

from gesso import _native
from gesso.cli.parts.command_parser import CommandParser
from gesso.cli.parts.write_model import add_type_arguments, check_arguments, write_model
from gesso.files.gguf_reader import read_gguf
from gesso.files.hf.export import read_folder
from gesso.files.locate import locate
from gesso.files.partial_file import check_target

EXAMPLES = {
    "gesso quantize bf16.gguf q4.gguf --preset Q4_K_M": "Makes a file of about 5 bits per weight.",
    "gesso quantize bf16.gguf q4.gguf --preset Q4_K_M --imatrix imatrix.gguf": "Rounds with more care what `gesso"
    " imatrix` found to matter.",
    "gesso quantize bf16.gguf q4.gguf --preset Q4_K_M --tensor 'ffn_down=Q8_0'": "Gives some matrices another type.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "quantize",
        help="make a smaller file of a model",
        description="Writes a model to a new GGUF file in which the weights have other types, for example 4 bits each"
        " instead of 16. Vectors, norms and the router are always F32.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=quantize)
    parser.add_argument(
        "source", metavar="IN", help="a .gguf file or a Hugging Face folder, best with weights in F32, F16 or BF16"
    )
    parser.add_argument(
        "target", metavar="OUT", help="the .gguf file to write; it gets this name only when it is complete"
    )
    add_type_arguments(parser, required=True)


def quantize(options: argparse.Namespace) -> int:
    check_arguments(options)
    path = locate(options.source)
    if path.is_dir():
        return write_model(options, *read_folder(path, mmap=options.mmap))
    source = read_gguf(path, mmap=options.mmap)
    check_target(options.target, *source.checkpoint.files)  # OUT may be another part than the one that was given
    try:
        # A file that gesso cannot run raises an error here, before the work. The presets suit this architecture only.
        _native.Model(source.checkpoint, "cpu")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return write_model(options, source.metadata, list(source.tensors()))
