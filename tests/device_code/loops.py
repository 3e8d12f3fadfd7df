"""The main loop of a kernel: how many instructions a warp issues, and which."""

import re

from device_code.disassembly import FUNCTION

INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.a-z]*)\s*([^;]*);")
TARGET = re.compile(r"0x([0-9a-f]+)\s*$")


def code_of(text: str, symbol_part: str) -> list[tuple[int, str, str]]:
    """The address, opcode and operands of each instruction of the one kernel whose mangled name has `symbol_part`."""
    code: dict[str, list[tuple[int, str, str]]] = {}
    symbol = ""
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            symbol = match[1]
        elif match := INSTRUCTION.match(line):
            code.setdefault(symbol, []).append((int(match[1], 16), match[2], match[3].strip()))
    (found,) = (code[symbol] for symbol in code if symbol_part in symbol)
    return found


def main_loop(code: list[tuple[int, str, str]], instruction: str) -> list[str]:
    """The opcodes of the smallest loop that holds as many of `instruction` as any loop does. A loop is what lies
    between a branch backwards and its target. Of alternatives within it, all are counted."""
    loops = []
    for address, opcode, operands in code:
        target = TARGET.search(operands)
        if opcode.split(".")[0] == "BRA" and target and int(target[1], 16) < address:
            loops.append([other for place, other, _ in code if int(target[1], 16) <= place <= address])
    return max(loops, key=lambda loop: (count(loop, instruction), -len(loop)))


def count(opcodes: list[str], instruction: str) -> int:
    return sum(opcode.split(".")[0] == instruction for opcode in opcodes)
