"""The command `gesso`: a module for each subcommand, and what they show people."""

from gesso.cli.program import main

__all__ = ["main"]
