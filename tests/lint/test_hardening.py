"""The check of hardening flags finds what it is there for."""

import subprocess

import pytest

from lint.check_wheel import missing_protections, readelf

PROGRAM = """
#include <stdio.h>
#include <string.h>
int fill(char* text, int length) { char copy[64]; memcpy(copy, text, length); return printf("%s", copy); }
"""
FLAGS = {
    "the stack is executable": ("-Wl,-z,noexecstack", "-Wl,-z,execstack"),
    "no RELRO: tables of addresses stay writable": ("-Wl,-z,relro", "-Wl,-z,norelro"),
    "no BIND_NOW: addresses of functions are looked up, and written, while the program runs": (
        "-Wl,-z,now",
        "-Wl,-z,lazy",
    ),
    "no stack protector": ("-fstack-protector-strong", "-fno-stack-protector"),
    "no checks of _FORTIFY_SOURCE": ("-D_FORTIFY_SOURCE=2", "-D_FORTIFY_SOURCE=0"),
}


@pytest.mark.parametrize("missing", [None, *FLAGS])
def test_a_missing_flag_is_found(tmp_path, missing):
    source, module = tmp_path / "x.c", tmp_path / "x.so"
    source.write_text(PROGRAM)
    flags = [bad if name == missing else good for name, (good, bad) in FLAGS.items()]
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", *flags, source, "-o", module], check=True)
    found = missing_protections(readelf(module))
    assert found == ([missing] if missing else [])
