"""`gesso convert`: writes a Hugging Face folder as a GGUF file."""

from __future__ import annotations

import argparse

from gesso.cli.parts.command_parser import CommandParser
from gesso.cli.parts.write_model import add_type_arguments, check_arguments, write_model
from gesso.files.hf.export import read_folder
from gesso.files.locate import locate

EXAMPLES = {
    "gesso convert FOLDER model.gguf": "Keeps the types of the weights.",
    "gesso convert FOLDER model.gguf --preset Q4_K_M": "Quantises the weights on the way.",
    "gesso convert FOLDER model.gguf --preset Q4_K_M --dry-run": "Prints what the file would hold, and writes nothing.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "convert",
        help="turn a Hugging Face folder into a .gguf file",
        description="Writes a Hugging Face checkpoint folder as a GGUF file. Without --preset, weights in BF16, F16,"
        " F32 or NVFP4 keep their type, and 8-bit weights with a scale per channel become BF16.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=convert)
    parser.add_argument("source", metavar="SOURCE", help="a folder with config.json and safetensors files")
    parser.add_argument(
        "target", metavar="OUT", help="the .gguf file to write; it gets this name only when it is complete"
    )
    add_type_arguments(parser, required=False)


def convert(options: argparse.Namespace) -> int:
    if options.preset is None and (options.tensor or options.imatrix):
        options.usage_error("--tensor and --imatrix need --preset")
    source = locate(options.source)
    if source.is_file():
        raise NotADirectoryError(f"{source}: expected a Hugging Face folder; `gesso quantize` reads .gguf files")
    check_arguments(options)
    return write_model(options, *read_folder(source, mmap=options.mmap))
