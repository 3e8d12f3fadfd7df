// Matrix instructions of a warpgroup, for files that are compiled for sm_90a alone (*_sm90a.cu). A warpgroup is 4 warps
// in a row, the first of them a multiple of 4; all its 128 threads take part in every call.
//
// wgmma_bf16 is a product of bf16 with sums in float32 registers: D [64, N] (+)= A [64, 16] B [16, N].
// A and B lie in shared memory in tiles as cuda/block/swizzle.h describes them: a row holds 64 columns (values of k), a
// row of A is a row of the tile, and so is a column of B. A thread's share of D is, with w = its warp in the group, g =
// lane / 4, t = lane % 4 and j = 0..N / 8 - 1,
//   d[4j], d[4j + 1] = row 16w + g, columns 8j + 2t, 8j + 2t + 1;   d[4j + 2], d[4j + 3] = the same of row 16w + g + 8
//
// The products run beside the threads:
//   write tiles; fence_async_proxy(); barrier    every writer, before the first product that reads them
//   wgmma_fence()                                before the first product, and after touching the accumulators
//   wgmma_bf16(...) ...; wgmma_commit()          close a group
//   wgmma_wait<n>()                              at most the n youngest groups still run. Until its group is waited
//                                                for, tiles belong to the product
//   wgmma_finish(d)                              waits for all groups; until then accumulators belong to the product
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Makes the thread's writes to shared memory visible to the matrix units (after the next barrier, to all of them).
__device__ inline void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ inline void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int kInFlight>
__device__ inline void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kInFlight) : "memory");
}

// Waits for all groups. From here on d may be read; without the empty lines of assembly the compiler, which does not
// know that d changes while it waits, could do so before.
template <int kCount>
__device__ inline void wgmma_finish(float (&d)[kCount]) {
  wgmma_wait<0>();
#pragma unroll
  for (float& value : d) asm volatile("" : "+f"(value)::"memory");
}

// Where a tile begins and how it is laid out. `tile` is 1024-byte aligned; the operand is columns 16k..16k + 15.
struct WgmmaOperand {
  uint64_t descriptor;
};

// Fields: the address in units of 16 bytes; 8 rows are 1024 bytes (64 units) apart; the 128-byte swizzle.
__device__ inline WgmmaOperand wgmma_operand(const void* tile, int k) {
  const uint64_t address = shared_address(tile) + 32 * k;
  return {(address & 0x3ffff) >> 4 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62};
}

// The operands of an instruction with N / 2 accumulators: their numbers in its text, and themselves.
#define GESSO_TEXT_0                                                                                               \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31"
#define GESSO_TEXT_32                                                                                                \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, " \
  "%54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define GESSO_TEXT_64                                                                                                \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, " \
  "%86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define GESSO_TEXT_96                                                                                                \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, " \
  "%115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define GESSO_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define GESSO_16(i) GESSO_4(i), GESSO_4(i + 4), GESSO_4(i + 8), GESSO_4(i + 12)
#define GESSO_32(i) GESSO_16(i), GESSO_16(i + 16)

// d = a b, or d += a b where `accumulate`; N = 64, 128, 256. A kernel leaves d uninitialised and does not accumulate
// the first time: zeros put there by other instructions would make the compiler wait for every product. The constants
// behind the operands and p: no negation, K-major.
__device__ inline void wgmma_bf16(float (&d)[32], WgmmaOperand a, WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" GESSO_TEXT_0
      "}, %32, %33, p, 1, 1, 0, 0; }"
      : GESSO_32(0)
      : "l"(a.descriptor), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_bf16(float (&d)[64], WgmmaOperand a, WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %66, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{" GESSO_TEXT_0 GESSO_TEXT_32 "}, %64, %65, p, 1, 1, 0, 0; }"
      : GESSO_32(0), GESSO_32(32)
      : "l"(a.descriptor), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_bf16(float (&d)[128], WgmmaOperand a, WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %130, 0; wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" GESSO_TEXT_0
          GESSO_TEXT_32 GESSO_TEXT_64 GESSO_TEXT_96 "}, %128, %129, p, 1, 1, 0, 0; }"
      : GESSO_32(0), GESSO_32(32), GESSO_32(64), GESSO_32(96)
      : "l"(a.descriptor), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

#undef GESSO_TEXT_0
#undef GESSO_TEXT_32
#undef GESSO_TEXT_64
#undef GESSO_TEXT_96
#undef GESSO_4
#undef GESSO_16
#undef GESSO_32

}  // namespace gesso::cuda
