// MXFP4: 32 elements of 4 bits, each an E2M1 float, with a power of two as their scale:
//   x[j] = 2^(e - 128) * kE2M1Values[q[j]]
//
//   byte 0    1                                                     17
//        | u8 e | qs[0] = q[16] << 4 | q[0]  ...  qs[15] = q[31] << 4 | q[15] |
#pragma once

#include <bit>
#include <cstdint>

#include "core/device_code.h"
#include "core/dtype.h"
#include "quant/byte_vectors.h"

namespace gesso::quant {

// The values of E2M1 (a sign, two bits of exponent, one bit of mantissa), doubled so that all are whole numbers. -0
// decodes to 0.
GESSO_DEVICE_TABLE constexpr float kE2M1Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct BlockMXFP4 {
  static constexpr DType kDType = DType::kMXFP4;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 12, kNumHalves = 0;
  static constexpr bool kHasMin = false;

  uint8_t e;
  uint8_t qs[16];
};
static_assert(sizeof(BlockMXFP4) == 17 && alignof(BlockMXFP4) == 1);

// Returns 2^(e - 128). For e = 0 and 1 that is a denormal float32.
GESSO_HOST_DEVICE inline float mxfp4_scale(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

GESSO_DEVICE inline void decode_block(const BlockMXFP4& block, float* __restrict out) {
  const float scale = mxfp4_scale(block.e);
  for (int j = 0; j < 16; ++j) out[j] = scale * kE2M1Values[block.qs[j] & 15];
  for (int j = 0; j < 16; ++j) out[j + 16] = scale * kE2M1Values[block.qs[j] >> 4];
}

// kE2M1Values + 12
inline constexpr Bytes16 kE2M1Levels = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

inline void unpack_levels(const BlockMXFP4& block, uint8_t* __restrict levels) {
  store(look_up(kE2M1Levels, load_16(block.qs) & 15), levels);
  store(look_up(kE2M1Levels, load_16(block.qs) >> 4), levels + 16);
}

inline void unpack_scales(const BlockMXFP4& block, float, float, float* __restrict scales, float*) {
  scales[0] = mxfp4_scale(block.e);
}

void encode_block(const float* x, const float* importance, BlockMXFP4& block);

}  // namespace gesso::quant
