"""The objects that `make cuda` has made of the sources under csrc/cuda."""

from functools import cache
from pathlib import Path

from device_code.ptxas_report import Usage, read_report

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/cuda"


def objects() -> dict[Path, Path]:
    """Each source under csrc/cuda and the object that it is compiled to. Small sources share one."""
    folder, joined = BUILD / "CMakeFiles/gesso.dir", BUILD / "small_kernels.cu"
    small = joined.read_text() if joined.exists() else ""
    found = {}
    for source in sorted((ROOT / "csrc/cuda").rglob("*.cu")):
        is_joined = f'"{source.relative_to(ROOT / "csrc")}"' in small
        found[source] = folder / f"{joined.name if is_joined else source.relative_to(ROOT)}.o"
    return found


@cache
def reports() -> dict[Path, list[Usage]]:
    """The report of ptxas for each object."""
    return {compiled: read_report(compiled) for compiled in objects().values() if compiled.exists()}


def kernel_files() -> list[Path]:
    return [path for path, usages in reports().items() if usages]
