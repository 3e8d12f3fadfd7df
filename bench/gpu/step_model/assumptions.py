"""What the model assumes, and nothing else. A number that is uncertain is (optimistic, middle, pessimistic).

No number here was measured on a GPU that gesso ran on. A measurement replaces the number that it refutes, with a note
of where it comes from.
"""

from __future__ import annotations

LEVELS = ("optimistic", "middle", "pessimistic")
OPTIMISTIC, MIDDLE, PESSIMISTIC = range(3)

# Of each card: its clock in GHz, the bytes per second of its memory and the share of them that is reached, and the
# bytes per second of its L2 cache.
#   hmma, imma, omma   cycles of a sub-partition for m16n8k16 bf16 with f32 sums, m16n8k32 int8, m16n8k64 fp4
#   wgmma              cycles of wgmma, as a multiple of what the data sheet's rate gives
#   alu                cycles of an instruction of the ALU
#   int8               whether activations are rounded to 8 bits where nobody asks for anything else
# GeForce (86, 89, 120): data sheets give 256 bf16 FMA with f32 sums, 1024 int8 MAC and, 120, 2048 fp4 MAC per clock and
# SM. sm_90: 2048 bf16 FMA by wgmma, mma.sync reaches about 62 %. GB10: 500 dense fp4 TFLOP/s and 188 measured fp8
# (forum 359960) say full-rate f32 sums: 512.
_HOPPER = {
    "arch": "sm_90",
    "sms": 132,
    "ghz": (1.90, 1.75, 1.60),
    "l2": (7.0e12, 5.5e12, 4.5e12),
    "hmma": (4.0, 6.4, 8.0),
    "imma": (4.0, 6.4, 8.0),
    "omma": (16, 16, 16),  # it has none
    "wgmma": (1.0, 1.12, 1.3),
    "alu": 2,
    "smem_kb": 227,
    "regs": 65536,
    "int8": False,
}
_GEFORCE = {
    "hmma": (32, 32, 34),
    "imma": (16, 16, 18),
    "omma": (16, 16, 18),  # RTX 5090 alone
    "wgmma": 1.0,  # none has it
    "smem_kb": 99,
    "regs": 65536,
    "int8": True,
}
CARDS = {
    "H200": _HOPPER | {"bw": 4.8e12, "eff": (0.93, 0.88, 0.80)},
    "H100": _HOPPER | {"bw": 3.35e12, "eff": (0.93, 0.89, 0.82)},
    "RTX 5090": _GEFORCE
    | {"arch": "sm_120", "sms": 170, "ghz": (2.75, 2.50, 2.30), "alu": 1.5}
    | {"bw": 1.792e12, "eff": (0.94, 0.90, 0.84), "l2": (8e12, 6e12, 4.5e12)},
    "RTX 4090": _GEFORCE
    | {"arch": "sm_89", "sms": 128, "ghz": (2.75, 2.55, 2.40), "alu": 2}
    | {"bw": 1.008e12, "eff": (0.94, 0.91, 0.86), "l2": (5.5e12, 4.5e12, 3.5e12)},
    "RTX 3090": _GEFORCE
    | {"arch": "sm_86", "sms": 82, "ghz": (1.90, 1.75, 1.65), "alu": 2}
    | {"bw": 0.936e12, "eff": (0.93, 0.89, 0.84), "l2": (2.6e12, 2.1e12, 1.7e12)},
    "GB10": _GEFORCE
    | {"arch": "sm_121", "sms": 48, "ghz": (2.50, 2.40, 2.20), "alu": 1.5, "hmma": (16, 16, 32)}
    | {"bw": 0.273e12, "eff": (0.90, 0.85, 0.78), "l2": (2.2e12, 1.6e12, 1.2e12)},
}

# Of all cards.
COMMON = {
    # us between dependent kernels of a graph; 0.58 per empty kernel on a 5070 Ti: ahrefs/ocannl#488
    "gap_us": (0.6, 1.0, 1.6),
    # us, the same where the second kernel starts early (programmatic dependent launch): a guess. The study that this
    # model comes from set the middle gap to 0.45 in place of 1.0, to ask what early starts may save at most; nobody has
    # measured it. The other two are the same share of their gaps. `gesso-bench --early-starts no` measures without.
    "early_gap_us": (0.27, 0.45, 0.72),
    # us, the least time of a row-wise kernel: two dependent reads of L2, a block reduction
    "small_us": (1.6, 2.3, 3.2),
    # How well the pipes of a multiprocessor overlap: bounds are joined by a p-norm. Infinity is all, 1 is nothing.
    "p_norm": (8.0, 3.0, 1.7),  # with two or more warps per scheduler
    "p_memory": (8.0, 4.0, 2.5),  # a kernel's instructions with DRAM and L2
    # Of a block that is alone, a warp per scheduler: the part of the shorter of products and the rest that is not
    # hidden behind the longer one.
    "serial_share": (0.3, 1.0, 1.0),
    "fill": (900, 1500, 2200),  # cycles until a tile's first step can start: list, first copies, first decode
    "step_latency": (150, 260, 400),  # cycles of a step beyond what it issues: barrier, LDS, decode chain
    "prologue_issue": (350, 550, 800),  # instructions of a tile outside its loop: list, addresses, stores
    "group_latency": (15, 40, 65),  # of a basic block LDSM -> MMA -> FFMA that nothing of the same warp overlaps
    "wgmma_prologue": 1500,  # cycles of a block of warpgroups outside its loop
    "attention_latency": (250, 480, 800),  # of a step: HMMA chain, exchange of slices, shuffles, ex2
    "attention_fill": 3000,  # cycles until the first keys are there
    "soft_fill": 3500,  # cycles until the first tile of the table is decoded, and for adding to the sums
    # Instructions that a warp of head_stats executes: of 4750 without a loop, some belong to draws and rare paths.
    "stats_executed": (2200, 2800, 3600),
}

# Of the code, the same on all cards. The first four say how often a rare part of a loop runs.
MASKS = 0.06  # of attention's steps, how many hold keys that some query does not see
EDGES = 0.1  # of attention's steps, how many hold cached keys and others, or keys that nobody sees
RESCALES = 0.2  # of the parts of experts' weights, in how many a row's power of two changes; the first one sets it
RISES = 0.25  # of attention's steps, in how many a maximum rises, so that the sums are scaled
XU_CYCLES = 8  # of an instruction of the XU
COPY_PASSES = 3.2  # of shared memory for an LDGSTS: 4, but some are predicated off
SERIAL_SMEM = 0.75  # of shared memory's cycles, the part that a block alone spends outside its products
STATS_START = 1.5e-6  # seconds until a block of head_stats has its logits

# ms, the least time of a step of 256 rows with Q4_K_M weights: from data sheets, with 16-bit and with int8 products.
DATA_SHEET_FLOORS = {
    "H200": (4.7, 4.1),
    "H100": (5.9, 5.3),
    "RTX 5090": (16.3, 11.9),
    "RTX 4090": (24.6, 19.0),
    "RTX 3090": (40.1, 27.1),
    "GB10": (68.7, 61.7),
}

# What a kernel that was slower, or faster, than predicted points at, by what bounds it.
SUSPECTS = {
    "dram": "bw, eff: the share of memory's bandwidth that is reached",
    "l2": "l2: the bandwidth of the L2 cache",
    "issue": "ghz, and the repeats of the loop's blocks (loops.py)",
    "alu": "alu: cycles of an ALU instruction",
    "fma": "ghz, p_norm",
    "xu": "p_norm: overlap with conversions",
    "smem": "shared memory: passes of its instructions (loops.passes), p_norm",
    "tensor": "hmma, imma, omma, wgmma: the rate of matrix instructions",
    "latency": "step_latency, group_latency, fill; of row-wise kernels small_us",
    "launch": "gap_us: the gap between dependent kernels",
}
