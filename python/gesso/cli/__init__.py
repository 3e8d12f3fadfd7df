"""The command `gesso`: a module for each subcommand, and modules for what they print and show."""

from __future__ import annotations

from collections.abc import Sequence

from gesso import starting


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit status. Ctrl-C gives 130, also while the modules are imported."""
    starting.begin()
    try:
        from gesso.cli import program

        starting.end()
        return program.main(arguments)
    except KeyboardInterrupt:
        return starting.EXIT_INTERRUPTED
    finally:
        starting.begin()


__all__ = ["main"]
