// Q8_0: 32 elements as signed bytes with one scale:  x[j] = d * q[j]
//
//   byte 0      2                          34
//        | f16 d | i8 q[0]  q[1]  ...  q[31] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ8_0 {
  static constexpr DType kDType = DType::kQ8_0;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 128, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t d[2];
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34 && alignof(BlockQ8_0) == 1);

GESSO_DEVICE inline void decode_block(const BlockQ8_0& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(block.q[j]);
}

inline void unpack_levels(const BlockQ8_0& block, uint8_t* __restrict levels) {
  store(load_32(reinterpret_cast<const uint8_t*>(block.q)) ^ 128, levels);
}

inline void unpack_scales(const BlockQ8_0&, float d, float, float* __restrict scales, float*) { scales[0] = d; }

void encode_block(const float* x, const float* importance, BlockQ8_0& block);

}  // namespace gesso::quant
