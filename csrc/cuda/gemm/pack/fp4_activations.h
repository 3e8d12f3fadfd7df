// Activations for the matrix instructions on 4-bit floats. One such float is too coarse for an activation: it is 9 to
// 16 % off. So an activation is a sum of several terms. Each term rounds what the terms before it have left over:
//   x[j] ~ row_scale * sum over terms of scale[j / block] * E2M1[j]
// NVFP4: blocks of 16 with an E4M3 scale.    2 terms are 0.9 % off, 3 terms 0.08 %.
// MXFP4: blocks of 32 with a power of two.   3 terms are 0.2 % off, 4 terms 0.03 %.
// Rounded to bf16 activations are 0.17 % off, rounded to 8-bit integers 0.5 to 1 %. (All of these are the root mean
// square error of products with random weights, compared with activations of float64.)
//
// The scales of NVFP4 have a small range, so the largest value of a row decides what is exact. A value is off by up to
// 2^-21 of it, however small the value is. So blocks down to 1/4096 of it are as exact as in bf16, and values below
// 2^-21 of it count as 0. A result shows this only if the weight of the largest value is much smaller than others.
// MXFP4 has no such limit, since its scales have the range of float32.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "cuda/device/kernel.h"
#include "cuda/gemm/pack/pack_fp4_activations.h"

namespace gesso::cuda {

// A step (64 columns) of one row. Each word of a term holds 8 values, in the order of the weight formats: byte j of a
// block holds element j in its low half and element j + block / 2 in its high half. There is one scale per block, the
// first in the low byte. Rows lie one behind the other in shared memory. The size of this struct puts the same 16 bytes
// of 8 rows into different banks.
template <int kTerms>
struct alignas(16) Fp4Activations {
  uint32_t values[kTerms][8];
  uint32_t scales[kTerms];
};
static_assert(sizeof(Fp4Activations<2>) == 80 && fp4_step_bytes(2) == 80);
static_assert(sizeof(Fp4Activations<3>) == 112 && fp4_step_bytes(3) == 112);
static_assert(sizeof(Fp4Activations<4>) == 144 && fp4_step_bytes(4) == 144);

// Rounds |value| to the nearest E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6), ties to an even code, and keeps the sign.
struct RoundedE2M1 {
  uint32_t code;  // 4 bits, the sign in the highest
  float value;
};

__device__ inline RoundedE2M1 round_e2m1(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 31;
  const float size = fminf(fabsf(value), 6.0f);
  uint32_t code;
  float rounded;
  if (size < 1.0f) {  // steps of a half
    const float halves = rintf(2.0f * size);
    code = static_cast<uint32_t>(halves);
    rounded = 0.5f * halves;
  } else {  // the leading bit and one more
    const uint32_t size_bits = std::bit_cast<uint32_t>(size);
    const uint32_t kept = (size_bits + 0x1fffffu + (size_bits >> 22 & 1u)) >> 22;
    code = kept - (2 * 127 - 2);  // 1.0 is code 2
    rounded = std::bit_cast<float>(kept << 22);
  }
  return {code | sign << 3, sign ? -rounded : rounded};
}

// A block's scale: its code, and the float that the code stands for. A block of zeros has the scale 0.
struct Fp4Scale {
  uint32_t code;
  float value;
};

// How the two formats scale. block_scale is for a block whose largest |value| is `max`. row_scale is for a whole row
// whose largest |value| has the bits `max_bits`; it brings the row into the range of the block scales. It is a power of
// two, so that dividing by it is exact.
struct NvFp4 {
  static constexpr int kBlock = 16;

  // The scales are E4M3 without a sign, 448 at most. So rows are brought below 2048, which is less than 6 * 448.
  __device__ static float row_scale(uint32_t max_bits) {
    const int exponent = static_cast<int>(max_bits >> 23) - 10;
    return std::bit_cast<float>(static_cast<uint32_t>(exponent < 10 ? 10 : exponent) << 23);
  }

  __device__ static Fp4Scale block_scale(float max) {
    const float wanted = max * (1.0f / 6.0f);
    if (wanted < 0x1p-6f) {  // steps of 2^-9, rounded up: with 0 of them the block would be lost
      const float steps = ceilf(wanted * 0x1p9f);
      return {static_cast<uint32_t>(steps), steps * 0x1p-9f};
    }
    const uint32_t bits = std::bit_cast<uint32_t>(wanted);
    const uint32_t kept = (bits + 0x7ffffu + (bits >> 20 & 1u)) >> 20;
    return {kept - ((127 - 7) << 3), std::bit_cast<float>(kept << 20)};
  }
};

struct MxFp4 {
  static constexpr int kBlock = 32;

  __device__ static float row_scale(uint32_t) { return 1.0f; }

  // The smallest power of two by which the block must be divided so that no value is beyond 6 = 1.5 * 2^2.
  __device__ static Fp4Scale block_scale(float max) {
    const uint32_t bits = std::bit_cast<uint32_t>(max);
    const uint32_t exponent = (bits >> 23) + ((bits & 0x7fffffu) > 0x400000u ? 1 : 0);
    if (exponent < 4) return {0, 0.0f};  // below 2^-124 counts as zero
    return {exponent - 2, std::bit_cast<float>((exponent - 2) << 23)};
  }
};

// Takes one term off a block: writes the values of the term, and leaves in `rest` what is still missing.
template <typename Format>
__device__ Fp4Scale take_fp4_term(float (&rest)[Format::kBlock], uint32_t* values) {
  float max = 0;
#pragma unroll
  for (float value : rest) max = fmaxf(max, fabsf(value));
  const Fp4Scale scale = Format::block_scale(max);
  const float inverse = scale.value > 0 ? 1.0f / scale.value : 0.0f;
#pragma unroll
  for (int word = 0; word < Format::kBlock / 8; ++word) {
    uint32_t packed = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float& value = rest[4 * word + i / 2 + i % 2 * (Format::kBlock / 2)];
      const RoundedE2M1 rounded = round_e2m1(value * inverse);
      packed |= rounded.code << (4 * i);
      value -= rounded.value * scale.value;
    }
    values[word] = packed;
  }
  return scale;
}

}  // namespace gesso::cuda
