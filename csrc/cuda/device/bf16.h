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

// a * b + c, twice. Each is rounded once, to nearest.
__device__ inline uint32_t fma_bf16(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t sum;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
}

// A half of a word, twice. As an operand of fma_bf16 or fma_half it takes no instruction.
__device__ inline uint32_t twice_low(uint32_t word) {
  uint32_t both;
  asm("{ .reg .b16 low, high; mov.b32 {low, high}, %1; mov.b32 %0, {low, low}; }" : "=r"(both) : "r"(word));
  return both;
}

__device__ inline uint32_t twice_high(uint32_t word) {
  uint32_t both;
  asm("{ .reg .b16 low, high; mov.b32 {low, high}, %1; mov.b32 %0, {high, high}; }" : "=r"(both) : "r"(word));
  return both;
}

// A float as the sum of two bf16, the larger one in the high half. 16 binary digits are kept.
__device__ inline uint32_t split_bf16(float value) {
  const float high = __uint_as_float(__float_as_uint(value) & 0xffff0000u);
  return pack_bf16(value - high, high);
}

// Rounds to nearest, ties to even.
__device__ inline uint32_t pack_half(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// a * b + c, twice. Each is rounded once, to nearest. Very small factors and sums are kept (subnormals).
__device__ inline uint32_t fma_half(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t sum;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
}

__device__ inline float from_half(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

}  // namespace gesso::cuda
