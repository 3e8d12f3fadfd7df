"""What stands in calls that are not quite in the format, as regular expressions."""

from __future__ import annotations

import re

from gesso.calls.reader import QUOTE

NEXT_CALL = re.compile(r"[\s,;]*(?=call:)")
SLOPPY_CONSTANTS = {"True": True, "False": False}
SLOPPY_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*(_[0-9]+)*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
FENCE = re.compile(r"\s*```([A-Za-z_]*(?=[\s{]))?")
NULL = re.compile(r"\s*(null|None|\[\s*\])")
NULL_INSIDE = re.compile(r"\s*(null|None)\s*(?=[})])")
PLAIN_END = {mark: re.compile(rf"[^{mark}\\]*(?:\\.[^{mark}\\]*)*{mark}", re.DOTALL) for mark in "\"'"}
ESCAPE = re.compile(r"\\[abfnrtvxuUN0-7/\\\"'\n]")  # in JSON or Python; other backslashes stand for themselves
SURROGATE = re.compile("[\ud800-\udfff]")
SEPARATORS = re.compile(r"[\s,;]*")  # between the members of an object. In a list, two commas may enclose a null.
COMMA = re.compile(r",?\s*")
SLOPPY_WORD = r"""[^\s:{}()\[\]<>"'`=,;|\\]+"""
SLOPPY_KEY = re.compile(rf"(?![0-9]){SLOPPY_WORD}( {SLOPPY_WORD})*|{SLOPPY_WORD}")  # not `000 b` of {a:1,000 b:2}
# The beginning of a member of an object and of a list, where the comma in front is missing.
QUOTED_KEY = r"""("[^"\\\n]*"|'[^'\\\n]*'"""
NEXT_KEY = re.compile(rf"{QUOTED_KEY}|{SLOPPY_WORD})\s*[:=]")
SEPARATED_KEY = re.compile(rf"{QUOTED_KEY}|{SLOPPY_KEY.pattern})\s*[:=]")  # where there is a comma
NEXT_VALUE = re.compile(r"""["'{\[]|[-+.]?[0-9]|true|false|null|None|True|False""")


def _swallowing(mark: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may be several values, in an object and in a list, if it stands in a text which has its own mark inside."""
    mark = re.escape(mark)
    both = [
        rf"[:=]\s*{mark}",  # of a, b:"c
        rf"{mark}\s*[:=]",  # of a, "b":1, and of a":b:"c
        rf"[,;]\s*{SEPARATED_KEY.pattern}",  # of a, b:1, "c
        rf"{mark}[^\w?!.]*{mark}",  # of a", "b
        rf"(?<=\w){mark}\w+{mark}(?=\w)",  # of a"b"c
    ]
    in_object = [
        rf"{mark}\s*[,;]\s*((?!{mark})\S)+\s*{mark}",  # of a",b "c, where the colon is missing
        rf"[,;]\s*{mark}((?!{mark}).)*\Z",  # of a, "b
    ]
    in_list = [rf"{mark}\s*[,;]", rf"[,;]\s*{mark}"]
    return re.compile("|".join(both + in_object), re.DOTALL), re.compile("|".join(both + in_list))


SWALLOWING = {mark: _swallowing(mark) for mark in (QUOTE, '"', "'")}
