// Matrix instructions of a warp, for sm_80 and later. All 32 lanes take part in every call. A fragment is the part of a
// matrix that one lane holds in its registers. With
//   g = lane / 4 (0..7),  t = lane % 4
// the fragments are those of PTX's mma.m16n8k*:
//   C, D [16, 8]:         d[0], d[1] = row g, columns 2t, 2t + 1;         d[2], d[3] = the same of row g + 8
//   A [16, 16] of bf16:   a[0] = row g, columns 2t, 2t + 1;   a[1] = row g + 8;   a[2], a[3] = the same, 8 columns on
//   B [16, 8] of bf16:    b[0] = rows 2t, 2t + 1 of column g;   b[1] = rows 2t + 8, 2t + 9
//   A [16, 32] of int8:   a[0] = row g, columns 4t..4t + 3;   a[1] = row g + 8;   a[2], a[3] = the same, 16 columns on
//   B [32, 8] of int8:    b[0] = rows 4t..4t + 3 of column g;   b[1] = the same, 16 rows on
// Where a register holds several values, the first is in its low bits. In memory A is row major and B column major.
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// d += a b, where a is [16, 16] and b is [16, 8], both bf16. The sums are float32.
__device__ inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// d = a b + c, where a is [16, 32] and b is [32, 8], both int8. The result is exact. d and c may be the same.
__device__ inline void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const int32_t (&c)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%10, %11, %12, %13};"
      : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
}

// d = a b + c, where a is [16, 16] and b is [16, 8], both int8. The result is exact. The fragments are the first half
// of mma_s8's.
__device__ inline void mma_s8_k16(int32_t (&d)[4], const uint32_t (&a)[2], uint32_t b, const int32_t (&c)[4]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
}

// Loads four 8 x 8 matrices of 16-bit values from shared memory (ldmatrix). Lane i passes the address of row i % 8 of
// matrix i / 8, a multiple of 16 bytes. r[m] of a lane is then two neighbouring values of matrix m: row lane / 4,
// columns 2 (lane % 4) and 2 (lane % 4) + 1. load_matrix_x2 loads two matrices and uses the addresses of lanes 0 to 15.
__device__ inline void load_matrix_x4(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared_row))
               : "memory");
}

__device__ inline void load_matrix_x2(uint32_t (&r)[2], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(shared_row))
               : "memory");
}

// The same of the transposed matrices: r[m] is column lane / 4, rows 2 (lane % 4) and 2 (lane % 4) + 1.
__device__ inline void load_matrix_x4_transposed(uint32_t (&r)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared_row))
               : "memory");
}

}  // namespace gesso::cuda
