"""What a user can do where an answer does not fit, or was cut."""

from __future__ import annotations

import re

from gesso.result import FinishReason

MOST_TOKENS = "max-new-tokens"  # a setting, as /set lists it
FITTING = re.compile(r"max_new_tokens of at most (\d+) fits")  # in the error of a conversation that is too long


def after_error(error: Exception) -> str | None:
    """Returns what makes room in the context; None for an error of another kind."""
    if "context" not in str(error):
        return None
    fitting = FITTING.search(str(error))
    if fitting is None:
        return "The context is full: /undo or /clear makes room; then write the message again, or a shorter one."
    return (
        f"The conversation and a whole answer must fit the context: /set {MOST_TOKENS} {fitting[1]} and /retry give a"
        " smaller answer, /undo or /clear makes room."
    )


def after_cut(reason: FinishReason, max_new_tokens: int, timeout: float | None) -> str | None:
    """Returns how to get more of an answer that was cut; None for one that was not."""
    if reason == "length":
        more = f"/set {MOST_TOKENS} {2 * max_new_tokens} and /retry give more"
        return f"[cut: an answer gets at most {max_new_tokens} tokens; {more}]"
    if reason == "deadline":
        return f"[cut after {timeout:g} seconds; a larger --timeout gives more]"
    return None
