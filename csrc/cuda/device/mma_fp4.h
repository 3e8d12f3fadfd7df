// Block-scaled matrix instructions of a warp on 4-bit floats, for files that are compiled for sm_120a and sm_121a alone
// (*_sm120a.cu). All 32 lanes take part. The values are E2M1 (a sign and 0, 0.5, 1, 1.5, 2, 3, 4, 6), 8 of them in a
// register, the first in its low bits. With
//   g = lane / 4 (0..7),  t = lane % 4
// a lane's shares are
//   C, D [16, 8]:   d[0], d[1] = row g, columns 2t, 2t + 1;   d[2], d[3] = the same of row g + 8
//   A [16, 64]:     a[0] = row g, columns 8t..8t + 7;   a[1] = row g + 8;   a[2], a[3] = the same 32 columns on
//   B [64, 8]:      b[0] = rows 8t..8t + 7 of column g;   b[1] = the same 32 rows on
// and the scales, the one of the first block in the low bits,
//   of A:           row g in the lanes with t = 0, row g + 8 in those with t = 1; the others' are ignored
//   of B:           column g in the lanes with t = 0; the others' are ignored
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// d += (a scale_a) (b scale_b), sums in float32. NVFP4: a scale for 16 values, four in a register, each E4M3 without a
// sign (bias 7; 0x7f is a NaN; the top bit must be 0).
__device__ inline void mma_nvfp4(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                 uint32_t scales_b) {
  asm volatile(
      "mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, %10, {0, 0}, %11, {0, 0};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(scales_a), "r"(scales_b));
}

// MXFP4: a scale for 32 values, two in the low half of a register, each a power of two, 2^(e - 127); 255 is a NaN.
__device__ inline void mma_mxfp4(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                 uint32_t scales_b) {
  asm volatile(
      "mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::2X.f32.e2m1.e2m1.f32.ue8m0 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, %10, {0, 0}, %11, {0, 0};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(scales_a), "r"(scales_b));
}

}  // namespace gesso::cuda
