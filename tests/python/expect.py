"""Shorthand of the tests that expect errors."""

import pytest


def raises(error: type[BaseException], *patterns: str):
    """The context of `pytest.raises`; every one of the patterns must be found in the message."""
    return pytest.raises(error, match="".join(f"(?s:(?=.*{pattern}))" for pattern in patterns) or None)
