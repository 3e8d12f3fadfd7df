// IQ4_NL: 32 elements of 4 bits that pick one of 16 unevenly spaced values, with one scale:
//   x[j] = d * kIq4Values[q[j]]
//
//   byte 0      2                                                     18
//        | f16 d | qs[0] = q[16] << 4 | q[0]  ...  qs[15] = q[31] << 4 | q[15] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

// The 16 values lie closer together around zero. Source of the numbers: gguf-py's quants.py.
GESSO_DEVICE_TABLE constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

struct BlockIQ4_NL {
  static constexpr DType kDType = DType::kIQ4_NL;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 128, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t d[2];
  uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18 && alignof(BlockIQ4_NL) == 1);

GESSO_DEVICE inline void decode_block(const BlockIQ4_NL& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int j = 0; j < 16; ++j) out[j] = d * kIq4Values[block.qs[j] & 15];
  for (int j = 0; j < 16; ++j) out[j + 16] = d * kIq4Values[block.qs[j] >> 4];
}

// Writes kIq4Values[q[j]] + 128 for the 32 elements that 16 bytes store.
inline void levels_of_iq4(const uint8_t* qs, uint8_t* __restrict levels) {
  constexpr Bytes16 kLevels = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
  store(look_up(kLevels, load_16(qs) & 15), levels);
  store(look_up(kLevels, load_16(qs) >> 4), levels + 16);
}

inline void unpack_levels(const BlockIQ4_NL& block, uint8_t* __restrict levels) { levels_of_iq4(block.qs, levels); }

inline void unpack_scales(const BlockIQ4_NL&, float d, float, float* __restrict scales, float*) { scales[0] = d; }

void encode_block(const float* x, const float* importance, BlockIQ4_NL& block);

}  // namespace gesso::quant
