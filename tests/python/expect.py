"""A short form for tests that expect errors."""

import pytest


def raises(error: type[BaseException], *patterns: str):
    """Like `pytest.raises`, but every one of the patterns must be found in the message."""
    return pytest.raises(error, match="".join(f"(?s:(?=.*{pattern}))" for pattern in patterns) or None)
