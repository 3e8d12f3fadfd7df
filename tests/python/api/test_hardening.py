"""The native modules have the flags of cmake/hardening.cmake."""

import sys

import pytest

from gesso import _native, _ops
from lint.check_wheel import missing_protections, readelf


@pytest.mark.skipif(sys.platform != "linux", reason="readelf reads the modules of Linux")
@pytest.mark.parametrize("module", [_native, _ops], ids=lambda module: module.__name__)
def test_a_module_is_hardened(module):
    assert missing_protections(readelf(module.__file__)) == []
