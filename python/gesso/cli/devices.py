"""`gesso devices`: what models can run on here, what the CPU is, and why a GPU cannot be used."""

from __future__ import annotations

import argparse
import json
from typing import TypedDict

from gesso import _native
from gesso.cli.parts.command_parser import CommandParser
from gesso.measure.memory import available_bytes
from gesso.measure.record import driver_version
from gesso.measure.text import columns, show_bytes, visible

FIELDS = ("name", "description", "arch", "total_bytes", "free_bytes", "used_bytes", "shares_host_memory")
EXAMPLES = {
    "gesso devices": "Shows the CPU, the GPUs, and why a GPU cannot be used.",
    "gesso devices --json": "Prints the same as JSON.",
}


class Report(TypedDict):
    """Everything that `gesso devices --json` prints."""

    has_cuda: bool
    gpu_problem: str | None
    driver: str | None
    cpu: dict[str, str | int | float | list[str] | None]
    devices: list[dict[str, str | int | bool]]


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "devices",
        help="show what models can run on",
        description="Lists the devices of this machine that models can run on, and describes the CPU. The first column"
        " has the names that --device takes. Where a GPU cannot be used, it says what is missing.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=devices)
    parser.add_argument("--json", action="store_true", help="print JSON; sizes are in bytes")


def devices(options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(make_report(), indent=2))
        return 0
    found, cpu = _native.devices(), _native.cpu_info()
    print("\n".join(columns([describe(device, cpu) for device in found])))
    print("\n".join(["", "The CPU", *columns(cpu_rows(cpu))]))
    if note := gpu_note(len(found) > 1):
        print(f"\n{note}")
    return 0


def make_report() -> Report:
    """Returns what there is, in types that JSON has."""
    cpu = _native.cpu_info()
    return {
        "has_cuda": _native.has_cuda(),
        "gpu_problem": _native.gpu_problem(),
        "driver": driver_version(),
        "cpu": {**cpu.to_dict(), "available_bytes": free_memory(cpu)},
        "devices": [{field: getattr(device, field) for field in FIELDS} for device in _native.devices()],
    }


def describe(device: _native.DeviceInfo, cpu: _native.CpuInfo) -> tuple[str, str, str]:
    """Returns a device's name, its description and its memory."""
    if device.name == "cpu":
        memory = f"{show_bytes(free_memory(cpu))} of {show_bytes(cpu.total_bytes)} available"
        return (
            device.name,
            visible(cpu.name) or "a processor whose name is not known",
            memory if cpu.total_bytes else "",
        )
    kind = f"{visible(device.description)}, compute capability {device.arch // 10}.{device.arch % 10}"
    memory = f"{show_bytes(device.free_bytes)} of {show_bytes(device.total_bytes)} free"
    return device.name, kind, memory + (", shared with the CPU" if device.shares_host_memory else "")


def free_memory(cpu: _native.CpuInfo) -> int:
    """Returns the bytes that this process can still get: a control group may allow less than the machine has."""
    known = available_bytes()
    return cpu.available_bytes if known is None else min(known, cpu.available_bytes)


def cpu_rows(cpu: _native.CpuInfo) -> list[tuple[str, str]]:
    rows = []
    if cpu.num_cores:
        rows.append(("cores", f"{cpu.num_cores}, with {hardware_threads(cpu.num_hardware_threads)}"))
    allowed = hardware_threads(cpu.num_processors)
    if cpu.quota is not None:
        allowed += f", and time for {cpu.quota:.4g} of them (the quota of its control group)"
    rows.append(("gesso may use", allowed))
    rows.append(("--threads", f"{cpu.num_threads}, if it is not given"))
    rows.append(("instruction sets", ", ".join(cpu.instruction_sets) or "none that gesso has products for"))
    if cpu.unused_instruction_sets:
        rows.append(("not used", ", ".join(cpu.unused_instruction_sets)))
    return [*rows, ("int8 products", cpu.int8_kernels)]


def hardware_threads(count: int) -> str:
    return f"{count} hardware thread{'' if count == 1 else 's'}"


def gpu_note(has_gpu: bool) -> str:
    """Says why a GPU is not in the list, and which driver is installed. It is empty where nothing is missing."""
    driver = driver_version()
    installed = f" The installed driver: {visible(driver)}." if driver else ""
    if not _native.has_cuda():
        return "This build of gesso has no CUDA backend." + installed
    if problem := _native.gpu_problem():
        needed = " Drivers for CUDA 13.0 have the number 580 or a higher one." if driver and "driver" in problem else ""
        return f"Not every GPU can be used: {visible(problem)}.{installed}{needed}"
    return "" if has_gpu else f"No GPU was found, or no driver for one.{installed}"
