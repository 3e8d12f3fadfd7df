"""What the comment above each kernel claims about its machine code.

    // ptxas: <= 128 registers
    // ptxas: <= 168 registers; HMMA, LDSM, LDGSTS
    // ptxas: <= 255 registers, <= 512 bytes of stack: a block is decoded in an array; HMMA

The numbers are upper bounds: they hold for all instances of a template on all architectures. Behind the semicolon are
instructions that every instance must contain on every architecture. A kernel without such a claim may use no stack.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ATTRIBUTE = r"__(?:launch_bounds|cluster_dims)__\((?:[^()]|\([^()]*\))*\)"
KERNEL = re.compile(rf"__global__\s+(?:static\s+)?void\s+(?:{ATTRIBUTE}\s*)*(\w+)\s*\(")
CLAIM = re.compile(
    r"// ptxas: <= (?P<registers>\d+) registers"
    r"(?:, <= (?P<stack>\d+) bytes of stack: (?P<reason>[^;]+))?"
    r"(?:; (?P<instructions>[A-Z0-9.]+(?:, [A-Z0-9.]+)*))?"
)


@dataclass(frozen=True)
class Claim:
    """The claim of one kernel. `place` is its file and line."""

    kernel: str
    place: str
    max_registers: int
    max_stack_bytes: int
    instructions: tuple[str, ...]


def kernel_sources(root: Path) -> list[Path]:
    return sorted(path for path in (root / "csrc/cuda").rglob("*") if path.suffix in {".cu", ".h", ".cuh"})


def comment_above(lines: list[str], index: int) -> list[str]:
    """The comment above a declaration that may begin some lines above lines[index]. No other statement may lie
    between."""
    while index > 0 and not lines[index - 1].startswith("//"):
        index -= 1
        if lines[index].endswith((";", "}")) or not lines[index]:
            return []
    first = index
    while first > 0 and lines[first - 1].startswith("//"):
        first -= 1
    return lines[first:index]


def parse_claim(kernel: str, place: str, comment: list[str]) -> Claim | str:
    """Reads the claim, or says what is wrong with it."""
    found = [line for line in comment if line.startswith("// ptxas:")]
    if len(found) != 1:
        return f"{place}: {kernel} needs one line '// ptxas: ...' in the comment above it"
    match = CLAIM.fullmatch(found[0])
    if not match:
        return f"{place}: cannot read '{found[0]}' above {kernel}; see {Path(__file__).name}"
    names = match["instructions"]
    return Claim(
        kernel, place, int(match["registers"]), int(match["stack"] or 0), tuple(names.split(", ")) if names else ()
    )


def read_claims(root: Path) -> tuple[dict[str, Claim], list[str]]:
    """The claims by kernel name, and one line for every kernel whose claim is missing or wrong."""
    claims: dict[str, Claim] = {}
    problems = []
    for path in kernel_sources(root):
        text = path.read_text(encoding="utf-8")
        for match in KERNEL.finditer(text):
            line = text.count("\n", 0, match.start())
            place = f"{path.relative_to(root)}:{line + 1}"
            claim = parse_claim(match[1], place, comment_above(text.splitlines(), line))
            if isinstance(claim, str):
                problems.append(claim)
            elif match[1] in claims:
                problems.append(f"{place}: {match[1]} is also the name of a kernel at {claims[match[1]].place}")
            else:
                claims[match[1]] = claim
    return claims, problems
