// Q2_0: 64 elements of 2 bits with one scale:  x[i] = d * (q[i] - 1), so -d, 0, d or 2d
//
//   byte 0      2                                                              18
//        | f16 d | u8 qs[16]: qs[b] = q[4b + 3] << 6 | q[4b + 2] << 4 | q[4b + 1] << 2 | q[4b] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ2_0 {
  static constexpr DType kDType = DType::kQ2_0;
  static constexpr int kNumElements = 64;

  uint8_t d[2];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ2_0) == 18 && alignof(BlockQ2_0) == 1);

template <int kBytes>
GESSO_DEVICE inline void decode_pairs(const uint8_t* bytes, float d, float* __restrict out) {
  for (int b = 0; b < kBytes; ++b) {
    for (int j = 0; j < 4; ++j) out[4 * b + j] = d * static_cast<float>((bytes[b] >> 2 * j & 3) - 1);
  }
}

GESSO_DEVICE inline void decode_block(const BlockQ2_0& block, float* __restrict out) {
  decode_pairs<16>(block.qs, half_to_float(load_u16(block.d)), out);
}

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockQ2_0& block, int part, float* __restrict out) {
  decode_pairs<8>(block.qs + 8 * part, half_to_float(load_u16(block.d)), out);
}

}  // namespace gesso::quant
