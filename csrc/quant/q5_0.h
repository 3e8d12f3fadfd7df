// Q5_0: 32 elements of 5 bits with one scale:  x[j] = d * (q[j] - 16)
//
//   byte 0      2           6                                                                    22
//        | f16 d | u32 qh    | qs[0] = (q[16] & 15) << 4 | (q[0] & 15)  ...  qs[15] = ... q[31], q[15] |
//
//   qh: bit j is bit 4 of q[j].
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ5_0 {
  static constexpr DType kDType = DType::kQ5_0;
  static constexpr int kNumElements = 32;

  uint8_t d[2];
  uint8_t qh[4];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22 && alignof(BlockQ5_0) == 1);

inline void decode_block(const BlockQ5_0& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const uint32_t qh = load_u32(block.qh);
  for (int j = 0; j < 16; ++j) {
    const int high = static_cast<int>(qh >> j & 1) << 4;
    out[j] = d * static_cast<float>(((block.qs[j] & 15) | high) - 16);
  }
  for (int j = 0; j < 16; ++j) {
    const int high = static_cast<int>(qh >> (j + 16) & 1) << 4;
    out[j + 16] = d * static_cast<float>(((block.qs[j] >> 4) | high) - 16);
  }
}

void encode_block(const float* x, const float* importance, BlockQ5_0& block);

}  // namespace gesso::quant
