"""Checks of kernels with warpgroup products (HGMMA), which run while their threads go on. While they run, no other
instruction may touch the registers of their sums, or write those of an operand. The products must not be waited for one
by one, which ptxas makes of them where it finds a risk. And what threads wrote to shared memory must be made visible to
the products; what bulk copies (UBLKCP) brought there is."""

import re

KERNEL = re.compile(r"^\s*Function : (\w+)$", re.MULTILINE)
# The number of columns, and the first register of the sums.
PRODUCT = re.compile(r"\bHGMMA\.64x(\d+)x\d+\S* R(\d+),")
WAIT = "WARPGROUP.DEPBAR"
WAIT_FOR_ALL = "WARPGROUP.DEPBAR.LE gsb0, 0x0"
FENCE = "FENCE.VIEW.ASYNC"
BULK_COPY = "UBLKCP"
REGISTER = re.compile(r"\bR(\d+)\b")
# The first register of an operand A that lies in registers, and the mark of the last product of a group.
OPERAND = re.compile(r"\bHGMMA\S* R\d+, R(\d+),")
END_OF_GROUP = "gsb0"
# How many groups a wait leaves under way.
LEFT = re.compile(r"WARPGROUP\.DEPBAR\.LE gsb0, 0x(\w+)")
# An instruction whose first operand is a register that it writes: the name, its modifiers, the register.
WRITE = re.compile(r"\*/\s+(?:@!?U?P\w+ )?(?!ST|RED|BAR|LDGSTS|HGMMA)([A-Z]\w*)((?:\.\w+)*) R(\d+)\b")


def sums_of(products: list[str]) -> set[int]:
    """The registers of the sums. A thread has half as many as there are columns."""
    found = (PRODUCT.search(line) for line in products)
    return {int(match[2]) + i for match in found if match for i in range(int(match[1]) // 2)}


def written_registers(line: str) -> set[int]:
    """The registers that an instruction writes. One with 64 or 128 bits, or a wide product, writes several."""
    match = WRITE.search(line)
    if not match:
        return set()
    modifiers = match[2].split(".")
    count = 4 if "128" in modifiers else 2 if "64" in modifiers or "WIDE" in modifiers else 1
    return {int(match[3]) + i for i in range(count)}


def written_operands(lines: list[str]) -> set[int]:
    """Registers of operands that are written while their products run. Lines are taken in the order of the listing."""
    groups: list[set[int]] = []  # the registers of each group under way; the last one may still grow
    is_open, written = False, set()
    for line in lines:
        if operand := OPERAND.search(line):
            if not is_open:
                groups.append(set())
            groups[-1] |= {int(operand[1]) + i for i in range(4)}
            is_open = END_OF_GROUP not in line
        elif wait := LEFT.search(line):
            groups, is_open = groups[max(0, len(groups) - int(wait[1], 16)) :], False
        else:
            written |= written_registers(line) & set().union(*groups)
    return written


def check_kernel(name: str, lines: list[str]) -> list[str]:
    products = [i for i, line in enumerate(lines) if PRODUCT.search(line)]
    ends = [i for i, line in enumerate(lines) if WAIT_FOR_ALL in line]
    if not ends or ends[-1] < products[-1]:
        return [f"{name}: nothing waits for the last product"]
    under_way = [line for line in lines[products[0] : ends[-1]] if not PRODUCT.search(line)]
    touched = sums_of([lines[i] for i in products]) & {int(r) for line in under_way for r in REGISTER.findall(line)}
    problems = [f"{name}: sums in registers {sorted(touched)} are touched while products run"] if touched else []
    if written := written_operands(lines):
        problems.append(f"{name}: operands in registers {sorted(written)} are written while products run")
    num_waits = sum(WAIT in line for line in lines)
    if num_waits > len(products):
        problems.append(f"{name}: {num_waits} waits for {len(products)} products, so they run one by one")
    if not any(FENCE in line or BULK_COPY in line for line in lines):
        problems.append(f"{name}: nothing makes written tiles visible to the products")
    return problems


def check_warpgroups(listing: str) -> tuple[int, list[str]]:
    """The number of kernels with products in what cuobjdump shows, and one line per problem."""
    _, *parts = KERNEL.split(listing)
    kernels = [(name, body.splitlines()) for name, body in zip(parts[::2], parts[1::2], strict=True)]
    kernels = [(name, lines) for name, lines in kernels if any(PRODUCT.search(line) for line in lines)]
    return len(kernels), [problem for name, lines in kernels for problem in check_kernel(name, lines)]
