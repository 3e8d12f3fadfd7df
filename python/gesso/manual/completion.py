"""What a shell completes: commands, options and their values, files, and the names of models and topics.

shtab writes the scripts. It knows commands, options and choices from the parser; this module adds what an argument
takes that has no choices.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from gesso.files.short_names import bundled_models
from gesso.manual.parsers import Command, commands_of, values_of

SHELLS = ("bash", "zsh", "fish")

# Functions that the scripts bring along. That of bash for files quotes the word, so names with spaces are found.
FILES: dict[str, Any] = {
    "bash": "_gesso_any_files",
    "zsh": "_files",
    "fish": "(__fish_complete_path (commandline -ct))",
    "preamble": {"bash": '_gesso_any_files() {\n  compgen -f -- "$1"\n}'},
}
FOLDERS: dict[str, Any] = {
    "bash": "_gesso_dirs",
    "zsh": "_files -/",
    "fish": "(__fish_complete_directories)",
    "preamble": {"bash": '_gesso_dirs() {\n  compgen -d -- "$1"\n}'},
}
MODELS: dict[str, Any] = {
    "bash": "_gesso_model_files",
    "zsh": "_gesso_model_files",
    "fish": "(_gesso_model_files)",
    "preamble": {
        "bash": """_gesso_model_files() {
  compgen -W "@NAMES@" -- "$1"
  compgen -f -X '!*.gguf' -- "$1"
  compgen -d -- "$1"
}""",
        "zsh": """_gesso_model_files() {
  _alternative 'models:model of the package:(@NAMES@)' 'files:file:_files -g "*.gguf"'
}""",
        "fish": """function _gesso_model_files
  printf '%s\\n' @NAMES@
  for path in (__fish_complete_path (commandline -ct))
    string match -r -- '^[^\\t]*(?:/|\\.gguf)(?:\\t.*)?$' $path
  end
end""",
    },
}
# What an argument takes, by the name that its help has for the value. Others take anything, and a shell offers files.
BY_METAVAR = {
    **dict.fromkeys(("MODEL", "A", "B"), MODELS),
    **dict.fromkeys(("FILE", "IN", "OUT", "PATH"), FILES),
    **dict.fromkeys(("SOURCE", "FOLDER"), FOLDERS),
}
# Values of options that the library checks and not the parser.
BY_OPTION = {"--device": ("auto", "cpu", "cuda"), "--activations": ("auto", "f32", "bf16", "int8")}


def completion_script(parser: argparse.ArgumentParser, shell: str, topics: Sequence[str]) -> str:
    """Returns the script for one of SHELLS. It changes the parser, which must not be used for anything else."""
    import shtab

    commands = commands_of(parser)
    for command in commands:
        prepare(command, shell, [*(each.name for each in commands), *topics])
    return shtab.complete(parser, shell)


def prepare(command: Command, shell: str, names: Sequence[str]) -> None:
    """Tells shtab what the arguments of a command take. `names` are those that `gesso help` explains."""
    command.parser.description = command.summary  # shtab shows it beside the name, where a paragraph has no room
    for action in command.parser._actions:
        values = values_of(action)
        if action.choices is None and values:
            kind = BY_METAVAR.get(values[0].removesuffix(" ..."))
            choices = next((BY_OPTION[name] for name in action.option_strings if name in BY_OPTION), None)
            if values[0] == "TOPIC":
                choices = tuple(dict.fromkeys(names))
            if choices is not None:
                action.choices = choices
            elif kind is not None:
                action.complete = with_names(kind)  # type: ignore[attr-defined]  # shtab looks for it
        if shell == "zsh":  # which reads a colon as the end of a name
            action.metavar = " ".join(values).replace(":", r"\:") or None


def with_names(kind: dict[str, Any]) -> dict[str, Any]:
    """Puts the names of the bundled models into the functions of a kind."""
    names = " ".join(bundled_models())
    preamble = {shell: script.replace("@NAMES@", names) for shell, script in kind["preamble"].items()}
    return {**kind, "preamble": preamble}
