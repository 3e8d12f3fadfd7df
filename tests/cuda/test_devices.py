"""Which devices exist, how one is chosen, and the error where there is none."""

import json

import pytest

import gesso
from gesso.cli import program as cli
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
    [(80, "bf16"), (86, "int8"), (89, "int8"), (90, "bf16"), (100, "bf16"), (120, "int8"), (121, "int8")],
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
    assert "cpu" in printed and "cuda:0" in printed and "compute capability 12.0" in printed and "34.4 GB" in printed
    assert cli.main(["devices", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["has_cuda"] and [entry["name"] for entry in report["devices"]] == ["cpu", "cuda:0"]
    assert report["devices"][1]["total_bytes"] == 32 << 30


def test_importance_stays_on_the_cpu(path):
    with pytest.raises(gesso.ArgumentError, match="collect_importance: expected a model on the CPU, got cuda:0"):
        gesso.load(path, "cuda").session()._native.collect_importance()
