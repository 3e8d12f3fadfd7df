"""Checks of kernels with warpgroup products (HGMMA), which run while their threads go on. While they run, no other
instruction may touch the registers of their sums, or write those of an operand. The products must not be waited for one
by one, which ptxas makes of them where it finds a risk. And what threads wrote to shared memory must be made visible to
the products; what bulk copies (UBLKCP) brought there is."""

import re
from dataclasses import dataclass, field

KERNEL = re.compile(r"^\s*Function : (\w+)$", re.MULTILINE)
# The number of columns, and the first register of the sums.
PRODUCT = re.compile(r"\bHGMMA\.64x(\d+)x\d+\S* R(\d+),")
WAIT = "WARPGROUP.DEPBAR"
WAIT_FOR_ALL = "WARPGROUP.DEPBAR.LE gsb0, 0x0"
FENCE = "FENCE.VIEW.ASYNC"
BULK_COPY = "UBLKCP"
ADDRESS = re.compile(r"\s*/\*([0-9a-f]{4,})\*/")
BRANCH = re.compile(r"\bBRA\b.*\b0x([0-9a-f]+)\s*;")
REGISTER = re.compile(r"\bR(\d+)\b")
# The first register of an operand A that lies in registers, and the mark of the last product of a group.
OPERAND = re.compile(r"\bHGMMA\S* R\d+, R(\d+),")
END_OF_GROUP = "gsb0"
# How many groups a wait leaves under way.
LEFT = re.compile(r"WARPGROUP\.DEPBAR\.LE gsb0, 0x(\w+)")
# An instruction whose first operand is a register that it writes: the name, its modifiers, the register. Predicates may
# stand before it, as in "SHFL.IDX PT, R5, R6, RZ, 0x1f".
WRITE = re.compile(r"\*/\s+(?:@!?U?P\w+ )?(?!ST|RED|BAR|LDGSTS|HGMMA)([A-Z]\w*)((?:\.\w+)*) (?:U?P\w+, )*R(\d+)\b")
# How many registers an instruction with such a modifier writes: those of LDSM are numbers of matrices.
WIDTHS = {"64": 2, "WIDE": 2, "128": 4}
MATRICES = {"2": 2, "4": 4}


@dataclass
class Group:
    """The registers of products that run together."""

    sums: set[int] = field(default_factory=set)  # a thread has half as many as there are columns
    operands: set[int] = field(default_factory=set)


def written_registers(line: str) -> set[int]:
    """The registers that an instruction writes. One with 64 or 128 bits, a wide product, or a load of several matrices
    writes several."""
    match = WRITE.search(line)
    if not match:
        return set()
    widths = MATRICES if match[1] == "LDSM" else WIDTHS
    count = max((widths.get(modifier, 1) for modifier in match[2].split(".")), default=1)
    return {int(match[3]) + i for i in range(count)}


def address_of(line: str) -> int:
    match = ADDRESS.match(line)
    return int(match[1], 16) if match else -1


class Walk:
    """Takes the lines in the order of the listing, and a loop that ends while products run once more."""

    def __init__(self, lines: list[str]) -> None:
        self.groups: list[Group] = []  # those under way; the last one may still grow
        self.is_open = False
        self.touched: set[int] = set()  # registers of sums, while their products ran
        self.written: set[int] = set()  # registers of operands, while their products ran
        for i, line in enumerate(lines):
            self.take(line)
            branch = BRANCH.search(line)
            if branch and self.groups and 0 <= int(branch[1], 16) < address_of(line):
                first = next(j for j, of_loop in enumerate(lines) if address_of(of_loop) >= int(branch[1], 16))
                for of_loop in lines[first:i]:
                    self.take(of_loop)

    def take(self, line: str) -> None:
        if product := PRODUCT.search(line):
            if not self.is_open:
                self.groups.append(Group())
            self.groups[-1].sums |= {int(product[2]) + i for i in range(int(product[1]) // 2)}
            if operand := OPERAND.search(line):
                self.groups[-1].operands |= {int(operand[1]) + i for i in range(4)}
            self.is_open = END_OF_GROUP not in line
        elif wait := LEFT.search(line):
            left = int(wait[1], 16)
            self.groups, self.is_open = self.groups[max(0, len(self.groups) - left) :], False
        else:
            for group in self.groups:
                self.touched |= group.sums & {int(r) for r in REGISTER.findall(line)}
                self.written |= group.operands & written_registers(line)


def check_kernel(name: str, lines: list[str]) -> list[str]:
    products = [i for i, line in enumerate(lines) if PRODUCT.search(line)]
    ends = [i for i, line in enumerate(lines) if WAIT_FOR_ALL in line]
    if not ends or ends[-1] < products[-1]:
        return [f"{name}: nothing waits for the last product"]
    walk = Walk(lines)
    problems = []
    if walk.touched:
        problems.append(f"{name}: sums in registers {sorted(walk.touched)} are touched while products run")
    if walk.written:
        problems.append(f"{name}: operands in registers {sorted(walk.written)} are written while products run")
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
