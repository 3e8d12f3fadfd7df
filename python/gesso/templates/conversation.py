"""The token ids of a conversation, in which replies of the model keep the ids that the model wrote.

A chat template renders the whole conversation anew for each turn. What the model wrote would then become other tokens:
there is more than one way to write a text in tokens, a template trims, and it brings tool calls into one form. So the
text of a reply is found in what the template has written, and gets the model's own ids. Where the template writes
something else in its place, for example the reply without its thought, what it writes is encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gesso.templates.marked_text import TEMPLATE, Text

Encode = Callable[[Text, bool], list[int]]  # the ids of a text, and whether it begins the prompt


@dataclass(frozen=True)
class Own:
    """The place of a reply in a rendered conversation, and the ids that the model wrote."""

    begin: int
    end: int
    ids: list[int]


@dataclass(frozen=True)
class Conversation:
    """A rendered conversation, and the replies in it that keep their ids.

    ends: the markers that end a reply.
    """

    text: Text
    ends: tuple[str, ...]
    own: tuple[Own, ...] = ()

    def encode(self, encode: Encode) -> list[int]:
        ids: list[int] = []
        begin = 0
        for reply in self.own:
            ids += [*encode(self.text[begin : reply.begin], begin == 0), *reply.ids]
            begin = reply.end
        rest = self.text[begin:]
        return ids + (encode(rest, begin == 0) if rest else [])

    def carried_over(self, text: Text) -> Conversation:
        """The same replies in a later rendering. Those are left out that it renders in another way.

        Behind a text that is not the template's doing, for example a message that was changed, none is looked for.
        """
        own: list[Own] = []
        begin, shift = 0, 0  # of the text behind the last reply, and how far the new one is off
        for reply in self.own:
            if not _are_same(self.text[begin : reply.begin], text[begin + shift : reply.begin + shift]):
                break
            at = reply.begin + shift
            end = self._end_of_reply(text, at)
            if end is None:
                break
            if _are_same(self.text[reply.begin : reply.end], text[at:end]):
                own.append(Own(at, end, reply.ids))
            begin, shift = reply.end, end - reply.end
        return Conversation(text, self.ends, tuple(own))

    def with_reply(self, text: Text, ids: list[int], keeps: Callable[[str, bool], bool]) -> Conversation:
        """The conversation with a reply to it, which `text` has at its end.

        keeps(rendered, at_the_end): whether the reply keeps its ids, given what the template makes of it, and whether
        that stands right behind this conversation, or the template has taken something at its end back.
        """
        begin = common_length(self.text, text)
        carried = self.carried_over(text)
        end = self._end_of_reply(text, begin)
        is_behind = all(reply.end <= begin for reply in carried.own)
        if end is None or not ids or not is_behind or not keeps("".join([text[begin:end]]), begin == len(self.text)):
            return carried
        return Conversation(text, self.ends, (*carried.own, Own(begin, end, ids)))

    def _end_of_reply(self, text: Text, begin: int) -> int | None:
        """Where the template ends the reply that begins there: in front of the first marker of its own that does so."""
        for marker in re.compile("|".join(map(re.escape, self.ends))).finditer(text, begin):
            if text.origins[marker.start() : marker.end()].strip(TEMPLATE) == b"":
                return marker.start()
        return None


def common_length(a: Sequence[object], b: Sequence[object]) -> int:
    """How much two lists of ids, or two texts, have in common at their beginning. Texts have origins in common, too."""
    if isinstance(a, Text) and isinstance(b, Text):
        return min(_common("".join([a]), "".join([b])), _common(a.origins, b.origins))  # as plain strings
    return _common(a, b)


def _common(a: Sequence[object], b: Sequence[object]) -> int:
    """Halves the part that may be different: comparing two slices is much faster than comparing their items."""
    same, most = 0, min(len(a), len(b))
    while same < most:
        middle = (same + most + 1) // 2
        if a[same:middle] == b[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same


def _are_same(a: Text, b: Text) -> bool:
    return a == b and a.origins == b.origins
