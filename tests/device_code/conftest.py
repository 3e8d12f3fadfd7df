"""Disassembles all objects with kernels before the first test, so that it happens in parallel."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from device_code.disassembly import listing
from device_code.objects import kernel_files


@pytest.fixture(scope="session", autouse=True)
def listings():
    """The largest objects, which take up to 12 seconds, come first."""
    files = sorted(kernel_files(), key=lambda path: path.stat().st_size, reverse=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(listing, files))
