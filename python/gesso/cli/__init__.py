"""The command `gesso`: a module for each subcommand, and modules for what they print and show."""

from gesso.cli.program import main

__all__ = ["main"]
