// F32: one float32 per block.
//
//   byte 0      4
//        | f32 x |
#pragma once

#include <cstdint>
#include <cstring>

#include "core/device_code.h"
#include "core/dtype.h"

namespace gesso::quant {

struct BlockF32 {
  static constexpr DType kDType = DType::kF32;
  static constexpr int kNumElements = 1;

  uint8_t x[4];
};
static_assert(sizeof(BlockF32) == 4 && alignof(BlockF32) == 1);

GESSO_DEVICE inline void decode_block(const BlockF32& block, float* __restrict out) {
  std::memcpy(out, block.x, sizeof(float));
}

inline void encode_block(const float* x, const float* /*importance*/, BlockF32& block) {
  std::memcpy(block.x, x, sizeof(float));
}

}  // namespace gesso::quant
