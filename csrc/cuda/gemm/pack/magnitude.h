// Magnitudes of values, as bits.
#pragma once

#include <bit>
#include <cstdint>

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr uint32_t kInfinityBits = 0x7f800000u, kNaNBits = 0x7fc00000u;

// The magnitude of a value, as bits. As bits an infinity is larger than all numbers, and NaN is larger still.
__device__ inline uint32_t magnitude_bits(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffffu; }

// The larger one of `largest` and the magnitudes of four values.
__device__ inline uint32_t largest_bits(const Quad& quad, uint32_t largest = 0) {
#pragma unroll
  for (float value : quad.v) largest = magnitude_bits(value) > largest ? magnitude_bits(value) : largest;
  return largest;
}

}  // namespace gesso::cuda
