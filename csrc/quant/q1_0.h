// Q1_0: 128 elements of 1 bit with one scale:  x[i] = d where bit i is set, else -d
//
//   byte 0      2                             18
//        | f16 d | u8 qs[16]: bit j of qs[b] is element 8b + j |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"
#include "quant/signs.h"

namespace gesso::quant {

struct BlockQ1_0 {
  static constexpr DType kDType = DType::kQ1_0;
  static constexpr int kNumElements = 128;

  uint8_t d[2];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ1_0) == 18 && alignof(BlockQ1_0) == 1);

inline void decode_block(const BlockQ1_0& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int b = 0; b < 16; ++b) {
    for (int j = 0; j < 8; ++j) out[8 * b + j] = negate_where(~uint32_t{block.qs[b]}, j, d);
  }
}

}  // namespace gesso::quant
