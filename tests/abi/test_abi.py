"""Programs that were built with gesso keep running: what the library offers is what abi/gesso.abi lists."""

import re
from pathlib import Path

import pytest

import gesso
from abi.abi import HEADER, LIST, broken, lines_of_header, lines_of_library, names_in, symbols_of


@pytest.fixture(scope="module")
def library() -> Path:
    try:
        return Path(gesso.get_library())
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def found(library) -> list[str]:
    return lines_of_header() + lines_of_library(library)


def test_the_list_is_up_to_date(found):
    listed = LIST.read_text(encoding="utf-8").splitlines()
    assert broken(listed, found) == [], "programs that were built may use this, and it is gone or changed"
    assert [line for line in found if line not in listed] == [], "new; `make abi` adds it to the list"
    assert len(found) > 100


def test_only_the_interface_is_visible(library):
    """C functions are exactly those of the header. C++ names are of the namespace gesso, and none of its rooms."""
    names = [name for _, name in symbols_of(library)]
    in_c = [name for name in names if "::" not in name]
    assert sorted(in_c) == sorted(names_in(HEADER.read_text(encoding="utf-8"))[0])
    in_cpp = [name for name in names if "::" in name]
    subjects = [re.sub("^(typeinfo|typeinfo name|vtable) for ", "", name) for name in in_cpp]
    assert [name for name in subjects if not name.startswith("gesso::")] == []
    rooms = {path.name for path in (HEADER.parents[2] / "csrc").iterdir()} | {"Impl", "detail", "c"}
    assert [name for name in subjects if rooms & set(name.partition("(")[0].split("::")[1:-1])] == []


STRUCT = ["struct s 16 bytes", "field s.struct_size at 0, of type unsigned long", "field s.a at 8, of type long"]


@pytest.mark.parametrize(
    ("changed", "is_broken"),
    [
        (STRUCT, False),
        (["struct s 24 bytes", *STRUCT[1:], "field s.b at 16, of type long"], False),
        (["struct s 24 bytes", STRUCT[1], "field s.b at 8, of type long", "field s.a at 16, of type long"], True),
        (["struct s 8 bytes", STRUCT[1]], True),
        (["struct s 16 bytes", STRUCT[1], "field s.a at 8, of type int"], True),
    ],
)
def test_what_breaks_programs_is_found(changed, is_broken):
    assert bool(broken(STRUCT, changed)) == is_broken


def test_a_changed_header_is_noticed(tmp_path):
    text = HEADER.read_text(encoding="utf-8")
    (tmp_path / "gesso").mkdir()
    for name in ("export.h", "version.h"):
        (tmp_path / "gesso" / name).write_text(HEADER.with_name(name).read_text(encoding="utf-8"))
    before = lines_of_header()
    for old, new in (
        ("gesso_model_load(const char* path,", "gesso_model_load(char* path,"),
        ("  float t_min;", "  double t_min;"),
        ("GESSO_QUEUE_FULL = 9,", "GESSO_QUEUE_FULL = 11,"),
        ("GESSO_API void gesso_model_free(gesso_model* model);", ""),
    ):
        assert old in text
        header = tmp_path / "gesso/gesso.h"
        header.write_text(text.replace(old, new))
        assert broken(before, lines_of_header(header)) != [], old
