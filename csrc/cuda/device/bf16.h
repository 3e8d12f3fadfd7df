// bf16 and half precision as bits. A uint16_t holds one value. A uint32_t holds two, the first in its low half.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Rounds to nearest, ties to even.
__device__ inline uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

__device__ inline uint16_t to_bf16(float value) {
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

__device__ inline float from_bf16(uint16_t bits) { return __uint_as_float(static_cast<uint32_t>(bits) << 16); }
__device__ inline float bf16_low(uint32_t packed) { return __uint_as_float(packed << 16); }
__device__ inline float bf16_high(uint32_t packed) { return __uint_as_float(packed & 0xffff0000u); }

// Two products at once. Each is rounded to nearest, and very small factors and products are kept (subnormals).
__device__ inline uint32_t multiply_bf16(uint32_t a, uint32_t b) {
  uint32_t product;
  asm("{ .reg .b32 zero; mov.b32 zero, 0x80008000; fma.rn.bf16x2 %0, %1, %2, zero; }" : "=r"(product) : "r"(a), "r"(b));
  return product;
}

__device__ inline float from_half(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

}  // namespace gesso::cuda
