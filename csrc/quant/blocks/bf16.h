// BF16: one bfloat16 per block.
//
//   byte 0       2
//        | bf16 x |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockBF16 {
  static constexpr DType kDType = DType::kBF16;
  static constexpr int kNumElements = 1;

  uint8_t x[2];
};
static_assert(sizeof(BlockBF16) == 2 && alignof(BlockBF16) == 1);

GESSO_DEVICE inline void decode_block(const BlockBF16& block, float* __restrict out) {
  *out = bfloat16_to_float(load_u16(block.x));
}

inline void encode_block(const float* x, const float* /*importance*/, BlockBF16& block) {
  store_u16(float_to_bfloat16(*x), block.x);
}

}  // namespace gesso::quant
