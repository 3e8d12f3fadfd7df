// Block-scaled matrix instructions of a warp on 4-bit floats. Only files that are compiled for sm_120a and sm_121a
// alone (*_sm120a.cu) may use them. All 32 lanes take part in every call. The values are E2M1: a sign and one of 0,
// 0.5, 1, 1.5, 2, 3, 4, 6. A register holds 8 of them, the first in its low bits. With
//   g = lane / 4 (0..7),  t = lane % 4
// the part of a matrix that a lane holds is
//   C, D [16, 8]:   d[0], d[1] = row g, columns 2t, 2t + 1;   d[2], d[3] = the same of row g + 8
//   A [16, 64]:     a[0] = row g, columns 8t..8t + 7;   a[1] = row g + 8;   a[2], a[3] = the same, 32 columns later
//   B [64, 8]:      b[0] = rows 8t..8t + 7 of column g;   b[1] = the same, 32 rows later
// and the scales that a lane passes, the one of the first block in the low bits, are
//   of A:           those of row g where t = 0, those of row g + 8 where t = 1; other lanes' scales are ignored
//   of B:           those of column g where t = 0; other lanes' scales are ignored
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// d += (a scale_a) (b scale_b), where the sums are float32. NVFP4 has a scale for every 16 values, so a register holds
// the four scales of 64 values. Each scale is E4M3 without a sign (bias 7). 0x7f is a NaN, and the top bit must be 0.
__device__ inline void mma_nvfp4(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                 uint32_t scales_b) {
  asm volatile(
      "mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, %10, {0, 0}, %11, {0, 0};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(scales_a), "r"(scales_b));
}

// The same for MXFP4, which has a scale for every 32 values. The low half of a register holds the two scales of 64
// values. A scale is the power of two 2^(e - 127); e = 255 is a NaN.
__device__ inline void mma_mxfp4(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                 uint32_t scales_b) {
  asm volatile(
      "mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::2X.f32.e2m1.e2m1.f32.ue8m0 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, %10, {0, 0}, %11, {0, 0};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(scales_a), "r"(scales_b));
}

}  // namespace gesso::cuda
