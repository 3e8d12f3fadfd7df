"""docs/files.md lists the types that the native library reads and writes: it is the only list beside the code's."""

import re
from pathlib import Path

from gesso import _native

DOCUMENT = (Path(__file__).parents[3] / "docs/files.md").read_text(encoding="utf-8")


def listed(beginning: str) -> list[str]:
    """The names between the colon that follows `beginning` and the full stop."""
    names = re.search(rf"^{re.escape(beginning)}[^:]*: ([^.]*)\.", DOCUMENT, re.MULTILINE)[1]
    return names.replace("\n", " ").split(", ")


def test_types_in_the_document():
    types = _native.tensor_types()
    weights = [kind for kind in types if kind.can_read]
    assert sorted(listed("gesso reads these types")) == sorted(kind.name for kind in weights)
    assert sorted(listed("gesso writes these types")) == sorted(kind.name for kind in types if kind.can_write)
    assert len(weights) > 20
