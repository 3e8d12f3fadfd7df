"""Objects whose content is native memory. It can neither be copied nor sent to another process."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, SupportsIndex, TypeVar

Same = TypeVar("Same", bound="UnchangingHandle")


class Handle:
    """The base of such classes. `copy` and `pickle` raise TypeError, which says what to do instead."""

    _instead: ClassVar[str]  # what to do instead

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"gesso.{name}: cannot be copied or pickled, since its content is native memory; {self._instead}"
        )


class UnchangingHandle(Handle):
    """A handle whose content never changes. So it serves as its own copy, as a tuple or a function does."""

    def __copy__(self: Same) -> Same:
        return self

    def __deepcopy__(self: Same, memo: dict[int, Any]) -> Same:
        return self
