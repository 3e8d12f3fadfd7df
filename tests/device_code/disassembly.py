"""The instructions of each kernel, as cuobjdump shows them."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

ARCHITECTURE = re.compile(r"^arch = (\w+)$")
FUNCTION = re.compile(r"^\s*Function : (\w+)$")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.a-z]*)")

Opcodes = dict[tuple[str, str], set[str]]  # by (symbol, architecture)


def nvidia_path() -> str:
    """The system's search path, and behind it the folder where PyPI's packages put NVIDIA's programs."""
    package = find_spec("nvidia")
    folders = [str(Path(folder) / "cu13/bin") for folder in package.submodule_search_locations] if package else []
    return os.pathsep.join([os.environ.get("PATH", ""), *folders])


def listing(compiled: Path, *selection: str) -> str:
    """What cuobjdump shows of all machine code in an object or cubin, or of what its options -arch and -fun select."""
    program = shutil.which("cuobjdump", path=nvidia_path())
    assert program, "cuobjdump is missing: make cuda installs it"
    # cuobjdump calls nvdisasm, which it looks for on the search path.
    environment = os.environ | {"PATH": nvidia_path()}
    command = [program, "-sass", *selection, str(compiled)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def disassemble(compiled: Path) -> Opcodes:
    """The opcodes of all machine code in an object or cubin."""
    return parse(listing(compiled))


def parse(text: str) -> Opcodes:
    opcodes: Opcodes = {}
    architecture = ""
    found: set[str] = set()
    for line in text.splitlines():
        if match := ARCHITECTURE.match(line):
            architecture = match[1]
        elif match := FUNCTION.match(line):
            found = opcodes.setdefault((match[1], architecture), set())
        elif match := INSTRUCTION.match(line):
            found.add(match[1])
    return opcodes


def has_instruction(opcodes: set[str], name: str) -> bool:
    """Whether one of the opcodes is `name`. An opcode may have more modifiers: LDG.E.128.CONSTANT counts as LDG.128."""
    base, *modifiers = name.split(".")
    parts = (opcode.split(".") for opcode in opcodes)
    return any(part[0] == base and set(modifiers) <= set(part[1:]) for part in parts)
