"""Text that knows for each character whether the template wrote it or the caller.

"<|turn>" is a control token where a template writes it, and ten characters where a user does. A template trims, splits
and joins what users wrote, so the difference has to go along: `Text` is a string whose operations keep it. All else
about it, such as comparisons and hashes, is as for any string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex

from gesso.templates.budget import spend, weigh, write

TEMPLATE, CALLER = b"t", b"c"
UNKNOWN = b"?"  # made by something that keeps no account, for example the digits of a number


class Text(str):
    """A string with the origin of each character.

    Operations count their work (`budget`), before they do it.
    """

    __slots__ = ("origins",)
    origins: bytes  # one of the letters above for each character

    def __new__(cls, value: str, origins: bytes) -> Text:
        """`origins` has one letter for each character, or one for all of them."""
        self = super().__new__(cls, value)
        self.origins = origins if len(origins) == len(value) else origins * len(value)
        return self

    def __str__(self) -> str:
        return self  # str(text) keeps the origins

    # Parts of the text

    def __getitem__(self, index: SupportsIndex | slice) -> Text:
        if isinstance(index, slice):
            return Text(super().__getitem__(index), self.origins[index])
        return Text(super().__getitem__(index), bytes([self.origins[index]]))

    def __iter__(self) -> Iterator[str]:
        for i in range(len(self)):
            spend(1)
            yield self[i]

    def lstrip(self, chars: str | None = None, /) -> Text:
        return self[len(self) - len(super().lstrip(chars)) :]

    def rstrip(self, chars: str | None = None, /) -> Text:
        return self[: len(super().rstrip(chars))]

    def strip(self, chars: str | None = None, /) -> Text:
        return self.lstrip(chars).rstrip(chars)

    def removeprefix(self, prefix: str, /) -> Text:
        return self[len(prefix) :] if self.startswith(prefix) else self

    def removesuffix(self, suffix: str, /) -> Text:
        return self[: len(self) - len(suffix)] if self.endswith(suffix) else self

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        spend(self.count(sep) if sep else len(self) // 2)
        return self._parts(super().split(sep, maxsplit), sep)

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        spend(self.count(sep) if sep else len(self) // 2)
        return self._parts(super().rsplit(sep, maxsplit), sep)

    def _parts(self, parts: list[str], sep: str | None) -> list[str]:
        """Finds the parts between separators in the text. A part between white space begins with none."""
        found: list[str] = []
        begin = 0
        for part in parts:
            begin = self.find(part, begin) if sep is None else begin
            found.append(self[begin : begin + len(part)])
            begin += len(part) + (0 if sep is None else len(sep))
        return found

    def splitlines(self, keepends: bool = False) -> list[str]:
        spend(len(self) // 2)
        found: list[str] = []
        begin = 0
        for line, whole in zip(super().splitlines(), super().splitlines(True), strict=True):
            found.append(self[begin : begin + len(whole if keepends else line)])
            begin += len(whole)
        return found

    def partition(self, sep: str, /) -> tuple[Text, Text, Text]:
        head, middle, _ = super().partition(sep)
        return self[: len(head)], self[len(head) : len(head) + len(middle)], self[len(head) + len(middle) :]

    def rpartition(self, sep: str, /) -> tuple[Text, Text, Text]:
        head, middle, _ = super().rpartition(sep)
        return self[: len(head)], self[len(head) : len(head) + len(middle)], self[len(head) + len(middle) :]

    # Texts put together

    def __add__(self, other: str, /) -> Text:
        return joined([self, other]) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str, /) -> Text:
        return joined([other, self]) if isinstance(other, str) else NotImplemented

    def __mul__(self, count: SupportsIndex, /) -> Text:
        if not hasattr(count, "__index__"):
            return NotImplemented
        times = max(count.__index__(), 0)
        write(len(self) * times)
        return Text(super().__mul__(times), self.origins * times)

    __rmul__ = __mul__

    def __mod__(self, values: Any, /) -> Text:
        from gesso.templates.formatting import percent  # the two need each other

        return percent(self, values)

    def join(self, parts: Iterable[str], /) -> Text:
        pieces: list[str] = []
        for i, part in enumerate(parts):
            if not isinstance(part, str):
                raise TypeError(f"sequence item {i}: expected str instance, {type(part).__name__} found")
            spend(1 + len(self) // 16)
            pieces += (self, part) if i else (part,)
        return joined(pieces)

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> Text:
        limit = count.__index__()
        times = self.count(old)
        times = times if limit < 0 else min(limit, times)
        write(len(self) + times * len(new))
        if old:
            return as_text(new).join(self.split(old, times))
        between = [piece for i in range(times) for piece in (new, self[i : i + 1])]
        return joined([*between, self[times:]])

    # Padding

    def ljust(self, width: SupportsIndex, fill: str = " ", /) -> Text:
        return self._padded(0, width.__index__() - len(self), fill)

    def rjust(self, width: SupportsIndex, fill: str = " ", /) -> Text:
        return self._padded(width.__index__() - len(self), 0, fill)

    def center(self, width: SupportsIndex, fill: str = " ", /) -> Text:
        missing = max(width.__index__() - len(self), 0)
        left = missing // 2 + (missing & width.__index__() & 1)  # Python's own rule for an odd number
        return self._padded(left, missing - left, fill)

    def _padded(self, left: int, right: int, fill: str) -> Text:
        if len(fill) != 1:
            raise TypeError("The fill character must be exactly one character long")
        return joined([as_text(fill) * left, self, as_text(fill) * right])

    # Characters changed one by one

    def each(self, change: Callable[[str], str]) -> Text:
        """Applies a function that changes characters, for example to capitals, and leaves their order."""
        write(len(self))
        changed = change(super().__str__())
        if len(changed) == len(self):
            return Text(changed, self.origins)
        if len(set(self.origins)) == 1:
            write(len(changed))
            return Text(changed, self.origins[:1])
        spend(len(self))
        origins = b"".join(self.origins[i : i + 1] * len(change(c)) for i, c in enumerate(super().__str__()))
        return Text(changed, origins if len(origins) == len(changed) else UNKNOWN)

    def upper(self) -> Text:
        return self.each(str.upper)

    def lower(self) -> Text:
        return self.each(str.lower)

    def casefold(self) -> Text:
        return self.each(str.casefold)

    def swapcase(self) -> Text:
        return self.each(str.swapcase)

    def title(self) -> Text:
        return self.each(str.title)

    def capitalize(self) -> Text:
        return self.each(str.capitalize)


# What a template may call on a string. The others need no account here: they return no string, or they can make a
# huge one (translate, expandtabs) or bytes (encode).
METHODS = frozenset(name for name in vars(Text) if not name.startswith("_")) - {"each", "origins"}
METHODS |= {"startswith", "endswith", "find", "rfind", "index", "rindex", "count", "format", "format_map"}
METHODS |= {name for name in vars(str) if name.startswith("is")}


def as_text(value: str) -> Text:
    return value if isinstance(value, Text) else Text(value, UNKNOWN)


def joined(pieces: Iterable[str]) -> Text:
    """The pieces, one behind the other."""
    texts = [as_text(piece) for piece in pieces]
    write(sum(map(len, texts)))
    return Text("".join(texts), b"".join(text.origins for text in texts))


def origin_of(*values: object) -> bytes:
    """The origin of all strings in some values, if it is the same; else UNKNOWN.

    It is for the result of a function that keeps no account. What is made of numbers or of other objects, which may
    come from the caller, does not count as written by the template.
    """
    weigh(*values)
    letters: set[int] = set()
    is_opaque = False
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            letters.update(value.origins if isinstance(value, Text) else UNKNOWN[: len(value)])
        elif isinstance(value, dict):
            rest += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            rest += value
        elif value is not None and not isinstance(value, bool):
            is_opaque = True
    origin = bytes(letters) if len(letters) == 1 else UNKNOWN
    return UNKNOWN if origin == TEMPLATE and is_opaque else origin


class Caller:
    """Copies the caller's values, with the strings in them marked, and counts them."""

    def __init__(self) -> None:
        self.num_items = self.num_characters = 0

    def mark(self, value: Any) -> Any:
        self.num_items += 1
        if isinstance(value, str):
            self.num_characters += len(value)
            return Text(str.__str__(value), CALLER)  # str() of an enum's member would be the member's name
        if isinstance(value, dict):
            return {self.mark(key): self.mark(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.mark(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value
