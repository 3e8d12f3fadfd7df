"""`gesso devices`: lists the devices of this machine that models can run on."""

from __future__ import annotations

import argparse
import json

from gesso import _native
from gesso.cli.command_parser import CommandParser
from gesso.measure.text import columns, show_bytes, visible

FIELDS = ("name", "description", "arch", "total_bytes", "free_bytes", "used_bytes", "shares_host_memory")
EXAMPLES = {
    "gesso devices": "Shows the CPU, the GPUs, and why a GPU cannot be used.",
    "gesso devices --json": "Prints the same as JSON.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "devices",
        help="list the devices that models can run on",
        description="Lists the devices of this machine that models can run on. The first column has the names that"
        " --device takes.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=devices)
    parser.add_argument("--json", action="store_true", help="print JSON; sizes are in bytes")


def devices(options: argparse.Namespace) -> int:
    found, problem = _native.devices(), _native.gpu_problem()
    if options.json:
        entries = [{field: getattr(device, field) for field in FIELDS} for device in found]
        report = {"has_cuda": _native.has_cuda(), "gpu_problem": problem, "devices": entries}
        print(json.dumps(report, indent=2))
        return 0
    print("\n".join(columns([describe(device) for device in found])))
    if not _native.has_cuda():
        print("This build of gesso has no CUDA backend.")
    elif problem:
        print(f"Not every GPU can be used: {visible(problem)}.")
    elif len(found) == 1:
        print("No GPU was found, or no driver for one.")
    return 0


def describe(device: _native.DeviceInfo) -> tuple[str, str, str]:
    """Returns a device's name, its description and its memory."""
    if device.name == "cpu":
        return device.name, "", ""
    kind = f"{visible(device.description)}, compute capability {device.arch // 10}.{device.arch % 10}"
    memory = f"{show_bytes(device.free_bytes)} of {show_bytes(device.total_bytes)} free"
    return device.name, kind, memory + (", shared with the CPU" if device.shares_host_memory else "")
