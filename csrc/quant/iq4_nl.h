// IQ4_NL: 32 elements of 4 bits that pick one of 16 unevenly spaced values, with one scale:
//   x[j] = d * kIq4Values[q[j]]
//
//   byte 0      2                                                     18
//        | f16 d | qs[0] = q[16] << 4 | q[0]  ...  qs[15] = q[31] << 4 | q[15] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

// Closer together around zero. Source of the numbers: gguf-py's quants.py.
GESSO_DEVICE_TABLE constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

struct BlockIQ4_NL {
  static constexpr DType kDType = DType::kIQ4_NL;
  static constexpr int kNumElements = 32;

  uint8_t d[2];
  uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18 && alignof(BlockIQ4_NL) == 1);

GESSO_DEVICE inline void decode_block(const BlockIQ4_NL& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int j = 0; j < 16; ++j) out[j] = d * kIq4Values[block.qs[j] & 15];
  for (int j = 0; j < 16; ++j) out[j + 16] = d * kIq4Values[block.qs[j] >> 4];
}

void encode_block(const float* x, const float* importance, BlockIQ4_NL& block);

}  // namespace gesso::quant
