"""The instructions of each kernel, as cuobjdump shows them."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

# A line with the architecture of what follows, or with the name of a kernel.
HEAD = re.compile(r"^(?:arch = (\w+)|\s*Function : (\w+))$", re.MULTILINE)
OPCODE = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.a-z]*)")
# The bits of an instruction, behind it or on a line of their own.
ENCODING = re.compile(r"\s*/\* 0x[0-9a-f]{16} \*/")

Opcodes = dict[tuple[str, str], set[str]]  # by (symbol, architecture)


def nvidia_path() -> str:
    """The system's search path, and behind it the folder where PyPI's packages put NVIDIA's programs."""
    package = find_spec("nvidia")
    folders = [str(Path(folder) / "cu13/bin") for folder in package.submodule_search_locations] if package else []
    return os.pathsep.join([os.environ.get("PATH", ""), *folders])


def run_cuobjdump(compiled: Path) -> str:
    program = shutil.which("cuobjdump", path=nvidia_path())
    assert program, "cuobjdump is missing: make cuda installs it"
    # cuobjdump calls nvdisasm, which it looks for on the search path.
    environment = os.environ | {"PATH": nvidia_path()}
    command = [program, "-sass", str(compiled)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def listing(compiled: Path) -> str:
    """What cuobjdump shows of all machine code in an object or cubin, without the bits of the instructions. It takes
    seconds, so it is kept beside the object as <object>.sass until the object changes."""
    kept = compiled.with_name(f"{compiled.name}.sass")
    if not kept.exists() or kept.stat().st_mtime_ns <= compiled.stat().st_mtime_ns:
        text = ENCODING.sub("", run_cuobjdump(compiled))
        with NamedTemporaryFile("w", dir=compiled.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, kept)  # another process may read it, or write the same
    return kept.read_text()


def split(text: str) -> dict[tuple[str, str], str]:
    """The part of each kernel in a listing, by (symbol, architecture)."""
    heads = list(HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    parts = {}
    architecture = ""
    for head, end in zip(heads, ends, strict=True):
        if head[1]:
            architecture = head[1]
        else:
            parts[head[2], architecture] = text[head.end() : end]
    return parts


def disassemble(compiled: Path) -> Opcodes:
    """The opcodes of all machine code in an object or cubin."""
    return {key: set(OPCODE.findall(part)) for key, part in split(listing(compiled)).items()}


def has_instruction(opcodes: set[str], name: str) -> bool:
    """Whether one of the opcodes is `name`. An opcode may have more modifiers: LDG.E.128.CONSTANT counts as LDG.128."""
    base, *modifiers = name.split(".")
    parts = (opcode.split(".") for opcode in opcodes)
    return any(part[0] == base and set(modifiers) <= set(part[1:]) for part in parts)
