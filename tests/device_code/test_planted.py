"""The checks of machine code can fail. Each kernel here has one mistake; the nvcc that compiled the library compiles
them."""

import re
import subprocess
from pathlib import Path

import pytest

from device_code.checks import EVERYWHERE, check_architectures, check_opcodes, check_usage
from device_code.claims import read_claims
from device_code.disassembly import disassemble
from device_code.ptxas_report import read_report

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/cuda/CMakeCache.txt"
pytestmark = pytest.mark.skipif(not CACHE.exists(), reason="nothing compiled: make cuda")

MMA = """
__device__ void mma(float* d, const unsigned* a) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%5, %5}, "
               "{%0, %1, %2, %3};" : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]));
}
"""
GOOD = """
// x [N].   grid N.
// ptxas: <= 32 registers; HMMA
template <int kValue>
__global__ void __launch_bounds__(128) good_kernel(float* x, const unsigned* a) {
  float d[4] = {kValue, 0, 0, 0};
  mma(d, a);
  for (int i = 0; i < 4; ++i) x[i] = d[i];
}
template __global__ void good_kernel<1>(float*, const unsigned*);
template __global__ void good_kernel<2>(float*, const unsigned*);
"""
STACK = """
// ptxas: <= 64 registers
__global__ void stack_kernel(float* x, const int* index) {
  float values[16];
  for (int i = 0; i < 16; ++i) values[i] = x[i];
  for (int i = 0; i < 16; ++i) values[index[i]] += x[index[i + 1]];
  x[threadIdx.x] = values[index[threadIdx.x]];
}
"""
SPILL = """
// ptxas: <= 64 registers, <= 4096 bytes of stack: planted
__global__ void __launch_bounds__(1024) spill_kernel(float* x) {
  float values[96];
#pragma unroll
  for (int i = 0; i < 96; ++i) values[i] = x[i * 1024 + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 96; ++i) x[i * 1024 + threadIdx.x] = values[95 - i] * values[(i * 7) % 96];
}
"""
SHARED = """
// ptxas: <= 64 registers
__global__ void shared_kernel(float* x) {
  __shared__ float values[32];
  values[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = values[31 - threadIdx.x];
}
"""
TWICE = SHARED.replace("shared_kernel", "twice_kernel")


def good(name: str, claim: str) -> str:
    """The good kernel with another name and another claim."""
    return GOOD.replace("good_kernel", name).replace("// ptxas: <= 32 registers; HMMA", claim)


PLANTED = {
    GOOD: None,
    STACK: "bytes of stack, claimed <= 0",
    STACK.replace("stack_kernel", "local_kernel"): "local memory (LDL)",
    SPILL: "bytes of spilled registers",
    SHARED: "128 bytes of static shared memory",
    good("registers_kernel", "// ptxas: <= 8 registers; HMMA"): "registers, claimed <= 8",
    good("int8_kernel", "// ptxas: <= 32 registers; IMMA"): "no IMMA",
    good("half_kernel", "// ptxas: <= 32 registers; HMMA, HMMA.F16"): "no HMMA.F16",
    good("silent_kernel", "// nothing"): "needs one line",
    good("vague_kernel", "// ptxas: <= many registers"): "cannot read",
    TWICE + TWICE.replace("float", "int"): "also the name of",
}


@pytest.fixture(scope="module")
def problems(tmp_path_factory) -> list[str]:
    """The problems that the checks find in one file with all planted kernels, compiled for two architectures."""
    folder = tmp_path_factory.mktemp("planted")
    path = folder / "csrc/cuda/planted.cu"
    path.parent.mkdir(parents=True)
    path.write_text(MMA + "".join(PLANTED))
    nvcc = re.search(r"^CMAKE_CUDA_COMPILER:\w+=(.+)$", CACHE.read_text(), re.MULTILINE)[1]
    command = [ROOT / "tests/device_code/keep_report.sh", nvcc, "-gencode=arch=compute_80,code=[sm_80,sm_120]"]
    compiled = folder / "planted.cu.o"
    subprocess.run([*command, "-c", path, "-o", compiled], check=True)

    claims, found = read_claims(folder)
    usages = read_report(compiled)
    assert {usage.architecture for usage in usages} == {"sm_80", "sm_120"}
    found += [line for usage in usages for line in check_usage(usage, claims)]
    return found + check_opcodes(disassemble(compiled), claims)


@pytest.mark.parametrize("source", PLANTED, ids=lambda source: re.search(r"\w+_kernel", source)[0])
def test_a_planted_fault_is_found(problems, source):
    kernel = re.search(r"\w+_kernel", source)[0]
    about = [line for line in problems if kernel in line]
    expected = PLANTED[source]
    assert about == [] if expected is None else any(expected in line for line in about)


def test_missing_machine_code_is_found():
    assert check_architectures("linear.cu.o", EVERYWHERE) == []
    for missing in EVERYWHERE:
        assert check_architectures("linear.cu.o", set(EVERYWHERE) - {missing}) != []
    assert check_architectures("linear_wgmma_sm90a.cu.o", {"sm_90a"}) == []
    assert check_architectures("linear_fp4_sm120a.cu.o", {"sm_120a"}) != []
