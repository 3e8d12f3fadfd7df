"""What all tests need."""

import importlib
import os
import signal

import pytest
from hypothesis import settings

# A test must not fail because the machine is busy.
settings.register_profile("gesso", deadline=None)
settings.load_profile("gesso")

# The emulated GPU's threads are OpenMP's, which else spin between kernels; read when its library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Started in the background of a script, a process ignores SIGINT, and so do the processes that it starts. Tests send
# that signal to commands.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda"), help="where the ops under test run")
    parser.addoption(
        "--activations",
        choices=("f32", "bf16", "int8"),
        help="how products round their operands; default: f32 on the CPU, bf16 on a GPU",
    )
    parser.addoption(
        "--truncated-sums",
        action="store_true",
        help="the emulated GPU's matrix units truncate their sums, as those of real ones do; for tests/ops",
    )


def pytest_configure(config):
    """Fills in the default, which depends on the device."""
    is_cpu = config.getoption("--device") == "cpu"
    config.option.activations = config.option.activations or ("f32" if is_cpu else "bf16")
    if config.option.activations == ("bf16" if is_cpu else "f32"):
        raise pytest.UsageError(f"--activations {config.option.activations} is not for --device {config.option.device}")


@pytest.fixture(scope="session", autouse=True)
def device(request):
    """ "cpu" or "cuda"."""
    name = request.config.getoption("--device")
    activations = request.config.getoption("--activations")
    if (name, activations) == ("cpu", "f32"):  # also where gesso is not installed, as for tests/lint
        yield name
        return
    from reference import device

    device.use(name, activations)
    if request.config.getoption("--truncated-sums"):
        importlib.import_module("gesso._emulator").set_truncated_sums(True)
    yield name
    device.use("cpu", "f32")
