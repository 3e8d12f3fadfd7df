"""`gesso devices`: what it says about the CPU and about missing GPUs. tests/cuda/test_devices.py has the rest."""

import json
import os

import pytest

import gesso
from gesso.cli import devices
from gesso.cli.program import main
from gesso.measure import record


class Cpu:
    """A CPU like that of a small container."""

    name = "Xeon\x1b[2J"
    num_cores, num_hardware_threads, num_processors, num_threads = 8, 16, 4, 2
    quota = 1.5
    instruction_sets = ("AVX2", "AVX-512", "AVX-512 VNNI")
    unused_instruction_sets = ("AMX int8",)
    int8_kernels = "avx512_vnni"
    total_bytes, available_bytes = 64 * 10**9, 32 * 10**9


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    cpu = gesso.devices()[0]
    monkeypatch.setattr(devices._native, "devices", lambda: [cpu])


@pytest.fixture
def cpu(monkeypatch):
    cpu = Cpu()
    monkeypatch.setattr(devices._native, "cpu_info", lambda: cpu)
    monkeypatch.setattr(devices, "available_bytes", lambda: 5 * 10**9)
    return cpu


def printed(capsys):
    assert main(["devices"]) == 0
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_the_cpu_is_described(cpu, capsys):
    lines = printed(capsys)
    assert lines[0] == "cpu  Xeon␛[2J  5.0 GB of 64.0 GB available"
    rows = dict(line.split("  ", 1) for line in lines[lines.index("The CPU") + 1 :] if "  " in line)
    assert {name: row.strip() for name, row in rows.items()} == {
        "cores": "8, with 16 hardware threads",
        "gesso may use": "4 hardware threads, and time for 1.5 of them (the quota of its control group)",
        "--threads": "2, if it is not given",
        "instruction sets": "AVX2, AVX-512, AVX-512 VNNI",
        "not used": "AMX int8",
        "int8 products": "avx512_vnni",
    }


def test_what_a_system_does_not_tell_is_left_out(cpu, capsys, monkeypatch):
    cpu.name, cpu.num_cores, cpu.quota, cpu.total_bytes, cpu.available_bytes = "", 0, None, 0, 0
    cpu.instruction_sets = cpu.unused_instruction_sets = ()
    monkeypatch.setattr(devices, "available_bytes", lambda: None)
    lines = printed(capsys)
    assert lines[0] == "cpu  a processor whose name is not known"
    assert "instruction sets  none that gesso has products for" in lines
    assert "gesso may use     4 hardware threads" in lines
    cpu.num_processors = 1
    assert "gesso may use     1 hardware thread" in printed(capsys)
    assert not [line for line in lines if line.startswith(("cores", "not used"))]


@pytest.mark.parametrize(
    ("has_cuda", "problem", "note"),
    [
        (False, None, "This build of gesso has no CUDA backend. The installed driver: NVRM version: 550.54."),
        (
            True,
            "the NVIDIA driver is for CUDA 12.4",
            "Not every GPU can be used: the NVIDIA driver is for CUDA 12.4. The installed driver: NVRM version: 550.54."
            " Drivers for CUDA 13.0 have the number 580 or a higher one.",
        ),
        (
            True,
            "cuda:0 is old",
            "Not every GPU can be used: cuda:0 is old. The installed driver: NVRM version: 550.54.",
        ),
        (True, None, "No GPU was found, or no driver for one. The installed driver: NVRM version: 550.54."),
    ],
)
def test_the_driver_that_is_there(capsys, monkeypatch, tmp_path, has_cuda, problem, note):
    (tmp_path / "version").write_text("NVRM version: 550.54\nGCC version: 12\n")
    monkeypatch.setattr(record, "NVIDIA_VERSION", tmp_path / "version")
    monkeypatch.setattr(devices._native, "has_cuda", lambda: has_cuda)
    monkeypatch.setattr(devices._native, "gpu_problem", lambda: problem)
    assert printed(capsys)[-1] == note
    assert main(["devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["driver"] == "NVRM version: 550.54"


def test_json_has_the_cpu(capsys):
    assert main(["devices", "--json"]) == 0
    cpu, info = json.loads(capsys.readouterr().out)["cpu"], gesso.cpu_info()
    assert {**cpu, "available_bytes": 0} == {**info.to_dict(), "available_bytes": 0}
    assert 0 < cpu["available_bytes"] <= cpu["total_bytes"]


def test_this_machine():
    info = gesso.cpu_info()
    assert info.num_processors == len(os.sched_getaffinity(0))
    assert info.total_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 1 <= info.num_threads <= info.num_processors
    assert info.name and info.name in repr(info)
    assert info.quota is None or info.quota > 0
    assert set(info.to_dict()) == {name for name in dir(info) if name[0] != "_"} - {"to_dict"}
