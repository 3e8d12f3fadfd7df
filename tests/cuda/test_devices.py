"""Which devices exist, how one is chosen, and the error where there is none."""

import json

import pytest

import gesso
from gesso.cli import program as cli
from gesso.cli.parts import bench_rows
from gesso.measure.floor import Ceilings
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("devices") / "tiny.gguf")


def test_list(emulator):
    emulator.set_num_devices(2)
    emulator.set_architecture(90)
    emulator.set_total_bytes(80 << 30)
    cpu, *gpus = gesso.devices()
    assert gesso.has_cuda() and cpu.name == "cpu"
    assert [gpu.name for gpu in gpus] == ["cuda:0", "cuda:1"]
    assert [(gpu.arch, gpu.total_bytes, gpu.shares_host_memory) for gpu in gpus] == [(90, 80 << 30, False)] * 2
    assert all(gpu.description for gpu in gpus)


def test_choice(path, emulator):
    emulator.set_num_devices(2)
    assert gesso.load(path).device == "cuda:0"
    assert gesso.load(path, "cuda").device == "cuda:0"
    assert gesso.load(path, "cuda:1").device == "cuda:1"
    assert gesso.load(path, "cpu").device == "cpu"
    assert "cuda:1" in repr(gesso.load(path, "cuda:1"))


def test_second_device_computes(path, emulator):
    """Memory and work go to the device that was asked for."""
    emulator.set_num_devices(2)
    before = [emulator.allocated_bytes(i) for i in (0, 1)]
    models = [gesso.load(path, device) for device in ("cuda:0", "cuda:1")]
    assert all(emulator.allocated_bytes(i) - before[i] >= models[0].native.weight_bytes for i in (0, 1))
    texts = [model.generate([5, 6], max_new_tokens=8).sequences for model in models]
    assert texts[0] == texts[1]


def test_no_device(path, emulator):
    emulator.set_num_devices(0)
    assert [device.name for device in gesso.devices()] == ["cpu"]
    assert gesso.load(path).device == "cpu"
    with pytest.raises(gesso.ArgumentError, match=r'there is no "cuda" here, only "cpu"'):
        gesso.load(path, "cuda")


OLD_DRIVER = "the NVIDIA driver is for CUDA 12.4 (nvidia-smi shows it), and gesso needs one for CUDA 13.0 or newer"
NOT_READY = "the NVIDIA driver (for CUDA 13.0) does not start: cudaErrorSystemNotReady: system not yet initialized"
OLD_GPU = "cuda:0, Emulated GPU 7.5, has compute capability 7.5, and gesso needs 8.0 or newer"


def break_driver(emulator, problem):
    """Makes the GPU one that cannot be used."""
    if problem == OLD_DRIVER:
        emulator.set_driver_version(12040)
    elif problem == NOT_READY:
        emulator.set_startup_error(802)
    else:
        emulator.set_architecture(75)


@pytest.mark.parametrize("problem", [OLD_DRIVER, NOT_READY, OLD_GPU])
def test_a_gpu_that_cannot_be_used(path, emulator, capsys, problem):
    """Where "auto" takes the CPU although there is a GPU, everybody is told why: one who asks, one who loads, and one
    who wants a GPU."""
    break_driver(emulator, problem)
    assert gesso.gpu_problem() == problem
    assert [device.name for device in gesso.devices()] == ["cpu"]
    with pytest.warns(RuntimeWarning) as warned:
        assert gesso.load(path).device == "cpu"
    assert [str(each.message) for each in warned] == [f"the model runs on the CPU: {problem}"]
    assert warned[0].filename == __file__
    for name in ("cuda", "cuda:0"):
        with pytest.raises(gesso.ArgumentError) as refused:
            gesso.load(path, name)
        assert str(refused.value) == f'device: there is no "{name}" here, only "cpu": {problem}'

    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Not every GPU can be used: {problem}."
    assert cli.main(["devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gpu_problem"] == problem


def test_commands_that_would_use_a_gpu(path, emulator, capsys, monkeypatch):
    monkeypatch.setattr(bench_rows, "measure_ceilings", lambda num_threads: Ceilings())  # which takes seconds
    break_driver(emulator, OLD_DRIVER)
    run = ["run", str(path), "hello", "--raw", "--max-new-tokens", "1", "--steps", "1"]
    bench = ["bench", str(path), "-p", "3", "-r", "1", "--steps", "1"]
    for command in (run, bench):
        assert cli.main(command) == 0
        assert f"gesso: warning: the model runs on the CPU: {OLD_DRIVER}\n" in capsys.readouterr().err
        assert cli.main([*command, "--device", "cpu"]) == 0
        assert "warning" not in capsys.readouterr().err


def test_nothing_is_said_without_need(path, emulator, capsys, recwarn):
    """Neither where a GPU serves, nor without a GPU, nor without a driver, nor to one who wants the CPU."""

    def load_quietly(device, *names):
        assert gesso.gpu_problem() is None or names == ("cpu",)
        assert gesso.load(path, *names).device == device
        assert [str(each.message) for each in recwarn.list] == []

    load_quietly("cuda:0")
    break_driver(emulator, OLD_DRIVER)
    load_quietly("cpu", "cpu")
    emulator.set_driver_version(0)
    load_quietly("cpu")
    emulator.set_driver_version(13010)  # newer than the runtime
    load_quietly("cuda:0")
    emulator.set_num_devices(0)
    load_quietly("cpu")
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "No GPU was found, or no driver for one."


@pytest.mark.parametrize("name", ["cuda:7", "cuda:", "cuda:x", "cuda:-1"])
def test_unknown_device(path, name):
    with pytest.raises(gesso.ArgumentError, match=f'there is no "{name}" here, only "cpu", "cuda:0"'):
        gesso.load(path, name)


@pytest.mark.parametrize("name", ["", "gpu", "CUDA", "cuda0"])
def test_no_device_name(path, name):
    with pytest.raises(gesso.ArgumentError, match=f'device: expected "auto", .*, got "{name}"'):
        gesso.load(path, name)


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        *[(80, "bf16"), (86, "int8"), (89, "int8"), (90, "bf16"), (100, "bf16"), (103, "bf16"), (110, "int8")],
        *[(120, "int8"), (121, "int8")],
    ],
)
def test_activations_by_architecture(path, emulator, arch, expected):
    """The default follows from the architecture: 16-bit products limit a step on GeForce and GB10, but not on data
    center cards."""
    emulator.set_architecture(arch)
    assert gesso.load(path, "cuda").activations == expected
    assert gesso.load(path, "cuda", activations="bf16").activations == "bf16"
    assert gesso.load(path, "cuda", activations="int8").activations == "int8"


def test_activations_refused(path):
    with pytest.raises(gesso.ArgumentError, match='activations: expected "auto", "f32", "bf16" or "int8", got "fp16"'):
        gesso.load(path, activations="fp16")
    with pytest.raises(gesso.ArgumentError, match='activations: a GPU has "bf16" and "int8", got "f32"'):
        gesso.load(path, "cuda", activations="f32")


def test_command(emulator, capsys):
    emulator.set_architecture(120)
    emulator.set_total_bytes(32 << 30)
    assert cli.main(["devices"]) == 0
    printed = capsys.readouterr().out
    assert "\n  cuda:0  " in printed and "compute capability 12.0" in printed and "34.4 GB" in printed
    assert cli.main(["devices", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["has_cuda"] and [entry["name"] for entry in report["devices"]] == ["cpu", "cuda:0"]
    assert report["devices"][1]["total_bytes"] == 32 << 30
    assert report["cpu"]["num_threads"] == gesso.cpu_info().num_threads


def test_importance_stays_on_the_cpu(path):
    with pytest.raises(gesso.ArgumentError, match="collect_importance: expected a model on the CPU, got cuda:0"):
        gesso.load(path, "cuda").session()._native.collect_importance()
