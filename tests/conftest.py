"""What all tests need."""

import signal

import pytest

# Started in the background of a script, a process ignores SIGINT, and so do the processes that it starts. Tests send
# that signal to commands.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda"), help="where the ops under test run")
    parser.addoption(
        "--activations", default="bf16", choices=("bf16", "int8"), help="how products on a GPU round their operands"
    )


@pytest.fixture(scope="session", autouse=True)
def device(request):
    """ "cpu" or "cuda"."""
    name = request.config.getoption("--device")
    if name == "cpu":  # also where gesso is not installed, as for tests/lint
        yield name
        return
    from reference import device

    device.use(name, request.config.getoption("--activations"))
    yield name
    device.use("cpu", "bf16")
