// F16: one IEEE binary16 per block.
//
//   byte 0      2
//        | f16 x |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockF16 {
  static constexpr DType kDType = DType::kF16;
  static constexpr int kNumElements = 1;

  uint8_t x[2];
};
static_assert(sizeof(BlockF16) == 2 && alignof(BlockF16) == 1);

GESSO_DEVICE inline void decode_block(const BlockF16& block, float* __restrict out) {
  *out = half_to_float(load_u16(block.x));
}

inline void encode_block(const float* x, const float* /*importance*/, BlockF16& block) {
  store_u16(float_to_half(*x), block.x);
}

}  // namespace gesso::quant
