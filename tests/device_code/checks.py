"""Compares the report of ptxas and the disassembly with the claims in the kernels' comments. Gives one line per
problem."""

from collections.abc import Iterable

from device_code.claims import Claim
from device_code.disassembly import Opcodes, has_instruction
from device_code.ptxas_report import Usage

# csrc/cuda/backend.cmake says what each of them serves.
EVERYWHERE = ("sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
LOCAL_MEMORY = ("LDL", "STL")


def claim_of(symbol: str, claims: dict[str, Claim]) -> Claim | None:
    """The claim of the kernel that a mangled name belongs to. In a mangled name, each name follows its length."""
    return next((claim for name, claim in claims.items() if f"{len(name)}{name}" in symbol), None)


def check_usage(usage: Usage, claims: dict[str, Claim]) -> list[str]:
    claim = claim_of(usage.symbol, claims)
    if not claim:
        return [f"{usage.symbol} ({usage.architecture}): no kernel in the sources has this name"]
    where = f"{claim.place}: {claim.kernel} for {usage.architecture} ({usage.symbol})"
    problems = []
    if usage.registers > claim.max_registers:
        problems.append(f"{where}: {usage.registers} registers, claimed <= {claim.max_registers}")
    if usage.stack_bytes > claim.max_stack_bytes:
        problems.append(f"{where}: {usage.stack_bytes} bytes of stack, claimed <= {claim.max_stack_bytes}")
    if usage.spill_bytes:
        problems.append(f"{where}: {usage.spill_bytes} bytes of spilled registers")
    if usage.static_shared_bytes:
        problems.append(f"{where}: {usage.static_shared_bytes} bytes of static shared memory; it has to be dynamic")
    return problems


def check_opcodes(opcodes: Opcodes, claims: dict[str, Claim]) -> list[str]:
    problems = []
    for (symbol, architecture), found in opcodes.items():
        claim = claim_of(symbol, claims)
        if not claim:
            continue  # this function was not inlined; check_usage reports kernels without a claim
        where = f"{claim.place}: {claim.kernel} for {architecture} ({symbol})"
        problems += [f"{where}: no {name}" for name in claim.instructions if not has_instruction(found, name)]
        if claim.max_stack_bytes == 0:
            problems += [f"{where}: local memory ({name})" for name in LOCAL_MEMORY if has_instruction(found, name)]
    return problems


def check_architectures(file_name: str, compiled: Iterable[str]) -> list[str]:
    """The object must hold machine code for the architectures that the file's name says, and for no others."""
    expected = set(EVERYWHERE)
    if "_sm90a." in file_name:
        expected = {"sm_90a"}
    elif "_sm120a." in file_name:
        expected = {"sm_120a", "sm_121a"}
    return [] if set(compiled) == expected else [f"{file_name}: for {sorted(compiled)}, expected {sorted(expected)}"]
