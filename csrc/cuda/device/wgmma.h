// Matrix instructions of a warpgroup. Only files that are compiled for sm_90a alone (*_sm90a.cu) may use them. A
// warpgroup is 4 neighbouring warps, the first of which has a number divisible by 4. All its 128 threads take part in
// every call.
//
// wgmma_bf16 is a product of bf16 with sums in float32 registers: D [64, N] (+)= A [64, 16] B [16, N]. wgmma_f16 is the
// same of f16. A and B lie in shared memory, in tiles as cuda/block/swizzle.h describes them. A row of a tile holds 64
// values along the product's inner dimension: 64 columns of a row of A, or 64 rows of a column of B. With w = the
// thread's warp in the group, g = lane / 4, t = lane % 4 and j = 0..N / 8 - 1, a thread holds of D
//   d[4j], d[4j + 1] = row 16w + g, columns 8j + 2t, 8j + 2t + 1;   d[4j + 2], d[4j + 3] = the same of row 16w + g + 8
// A may also be in registers. Then a thread holds of A
//   a[0] = row 16w + g, columns 2t, 2t + 1;   a[1] = row 16w + g + 8;   a[2], a[3] = the same, 8 columns on
// with the first value in the low bits. B may also lie transposed: a row of its tiles then holds 64 columns of B.
//
// The products run while the threads go on. So the calls have this order:
//   write tiles; fence_async_proxy(); barrier    every thread that writes does this, before a product reads the tiles
//   wgmma_fence()                                before the first product, and after a thread has touched its sums d
//   wgmma_bf16(...) ...; wgmma_commit()          the products since the last commit form a group
//   wgmma_wait<n>()                              waits until at most the n youngest groups still run; nobody may write
//                                                the tiles of a group that still runs
//   wgmma_finish(d)                              waits for all groups; nobody may touch d before. wgmma_finish<n>(d)
//                                                waits as wgmma_wait<n>() does, for a d of one of the older groups
// Registers with A may be changed after the wait for their group.
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Makes this thread's writes to shared memory visible to the matrix units. After the next barrier, the writes of all
// threads that called it are visible.
__device__ inline void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ inline void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int kInFlight>
__device__ inline void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kInFlight) : "memory");
}

// The compiler does not know that d changes while the thread waits. Without the empty lines of assembly it could read d
// too early.
template <int kInFlight = 0, int kCount>
__device__ inline void wgmma_finish(float (&d)[kCount]) {
  wgmma_wait<kInFlight>();
#pragma unroll
  for (float& value : d) asm volatile("" : "+f"(value)::"memory");
}

// One operand of a product: where its tile begins and how the tile is laid out. `tile` must be a multiple of 1024
// bytes. The operand is columns 16k..16k + 15 of the tile.
struct WgmmaOperand {
  uint64_t descriptor;
};

// The fields say: the address in units of 16 bytes, 8 rows are 1024 bytes (64 units) apart, the swizzle is that of 128
// bytes.
__device__ inline WgmmaOperand wgmma_operand(const void* tile, int k) {
  const uint64_t address = shared_address(tile) + 32 * k;
  return {(address & 0x3ffff) >> 4 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62};
}

// B [16, N], transposed: rows 0..15 of the tile have its columns 0..63, those of the tile `tile_bytes` further on have
// columns 64..127, and so on. The 16 rows that follow are 2048 bytes further on.
__device__ inline WgmmaOperand wgmma_transposed(const void* tile, int tile_bytes) {
  return {wgmma_operand(tile, 0).descriptor | static_cast<uint64_t>(tile_bytes / 16) << 16};
}

// The operand that lies `bytes` further on, a multiple of 16. The address is in the lower half of the descriptor, which
// does not overflow.
__device__ inline WgmmaOperand further_on(WgmmaOperand operand, int bytes) {
  return {operand.descriptor + static_cast<uint32_t>(bytes) / 16};
}

// The same operand, in a way that shows the compiler that all threads of a warp have the same. Descriptors are in
// registers that a warp shares, and each would be moved there one by one.
__device__ inline WgmmaOperand of_warp(WgmmaOperand operand) {
  const uint32_t low = __shfl_sync(0xffffffffu, static_cast<uint32_t>(operand.descriptor), 0);
  return {operand.descriptor >> 32 << 32 | low};
}

// The text and the register operands of an instruction with N / 2 sums per thread. TEXT_* are the operands' numbers in
// the instruction's text.
#define GESSO_TEXT_12 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11"
#define GESSO_TEXT_16 GESSO_TEXT_12 ", %12, %13, %14, %15"
#define GESSO_TEXT_0                                                                                               \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31"
#define GESSO_TEXT_32_TO_47 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define GESSO_TEXT_32                                                                                                \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, " \
  "%54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define GESSO_TEXT_64_TO_71 ", %64, %65, %66, %67, %68, %69, %70, %71"
#define GESSO_TEXT_64_TO_79 GESSO_TEXT_64_TO_71 ", %72, %73, %74, %75, %76, %77, %78, %79"
#define GESSO_TEXT_64                                                                                                \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, " \
  "%86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define GESSO_TEXT_96                                                                                                \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, " \
  "%115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define GESSO_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define GESSO_16(i) GESSO_4(i), GESSO_4(i + 4), GESSO_4(i + 8), GESSO_4(i + 12)
#define GESSO_32(i) GESSO_16(i), GESSO_16(i + 16)

// d = a b, or d += a b where `accumulate` is true; N is 256. A kernel leaves d uninitialised and passes false for its
// first product. If it wrote zeros to d instead, the compiler would wait for every product. The constants 1, 1, 0, 0 at
// the end of the instruction mean: no operand is negated, and both lie with the inner dimension side by side.
__device__ inline void wgmma_bf16(float (&d)[128], WgmmaOperand a, WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %130, 0; wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" GESSO_TEXT_0
          GESSO_TEXT_32 GESSO_TEXT_64 GESSO_TEXT_96 "}, %128, %129, p, 1, 1, 0, 0; }"
      : GESSO_32(0), GESSO_32(32), GESSO_32(64), GESSO_32(96)
      : "l"(a.descriptor), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

// The same with A in registers; N is 32, 64, 128 or 256.
__device__ inline void wgmma_bf16(float (&d)[16], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %21, 0; wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {" GESSO_TEXT_16
      "}, {%16, %17, %18, %19}, %20, p, 1, 1, 0; }"
      : GESSO_16(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_bf16(float (&d)[32], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %37, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" GESSO_TEXT_0
      "}, {%32, %33, %34, %35}, %36, p, 1, 1, 0; }"
      : GESSO_32(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_bf16(float (&d)[64], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{" GESSO_TEXT_0 GESSO_TEXT_32 "}, {%64, %65, %66, %67}, %68, p, 1, 1, 0; }"
      : GESSO_32(0), GESSO_32(32)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_bf16(float (&d)[128], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %133, 0; wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" GESSO_TEXT_0
          GESSO_TEXT_32 GESSO_TEXT_64 GESSO_TEXT_96 "}, {%128, %129, %130, %131}, %132, p, 1, 1, 0; }"
      : GESSO_32(0), GESSO_32(32), GESSO_32(64), GESSO_32(96)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

// The same of f16, whose subnormals count; N is 24, 64, 96, 128, 144 or 160.
__device__ inline void wgmma_f16(float (&d)[12], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %17, 0; wgmma.mma_async.sync.aligned.m64n24k16.f32.f16.f16 {" GESSO_TEXT_12
      "}, {%12, %13, %14, %15}, %16, p, 1, 1, 0; }"
      : GESSO_4(0), GESSO_4(4), GESSO_4(8)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_f16(float (&d)[32], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %37, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" GESSO_TEXT_0
      "}, {%32, %33, %34, %35}, %36, p, 1, 1, 0; }"
      : GESSO_32(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_f16(float (&d)[48], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %53, 0; wgmma.mma_async.sync.aligned.m64n96k16.f32.f16.f16 "
      "{" GESSO_TEXT_0 GESSO_TEXT_32_TO_47 "}, {%48, %49, %50, %51}, %52, p, 1, 1, 0; }"
      : GESSO_32(0), GESSO_16(32)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_f16(float (&d)[64], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
      "{" GESSO_TEXT_0 GESSO_TEXT_32 "}, {%64, %65, %66, %67}, %68, p, 1, 1, 0; }"
      : GESSO_32(0), GESSO_32(32)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_f16(float (&d)[72], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %77, 0; wgmma.mma_async.sync.aligned.m64n144k16.f32.f16.f16 "
      "{" GESSO_TEXT_0 GESSO_TEXT_32 GESSO_TEXT_64_TO_71 "}, {%72, %73, %74, %75}, %76, p, 1, 1, 0; }"
      : GESSO_32(0), GESSO_32(32), GESSO_4(64), GESSO_4(68)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

__device__ inline void wgmma_f16(float (&d)[80], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate) {
  asm volatile(
      "{ .reg .pred p; setp.ne.b32 p, %85, 0; wgmma.mma_async.sync.aligned.m64n160k16.f32.f16.f16 "
      "{" GESSO_TEXT_0 GESSO_TEXT_32 GESSO_TEXT_64_TO_79 "}, {%80, %81, %82, %83}, %84, p, 1, 1, 0; }"
      : GESSO_32(0), GESSO_32(32), GESSO_16(64)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor), "r"(static_cast<int>(accumulate)));
}

// d += a b where B lies transposed (wgmma_transposed): the last constant is 1.
__device__ inline void wgmma_bf16_transposed(float (&d)[128], WgmmaOperand a, WgmmaOperand b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" GESSO_TEXT_0 GESSO_TEXT_32 GESSO_TEXT_64 GESSO_TEXT_96
      "}, %128, %129, 1, 1, 1, 0, 1;"
      : GESSO_32(0), GESSO_32(32), GESSO_32(64), GESSO_32(96)
      : "l"(a.descriptor), "l"(b.descriptor));
}

#undef GESSO_TEXT_12
#undef GESSO_TEXT_16
#undef GESSO_TEXT_0
#undef GESSO_TEXT_32_TO_47
#undef GESSO_TEXT_32
#undef GESSO_TEXT_64_TO_71
#undef GESSO_TEXT_64_TO_79
#undef GESSO_TEXT_64
#undef GESSO_TEXT_96
#undef GESSO_4
#undef GESSO_16
#undef GESSO_32

}  // namespace gesso::cuda
