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

template <int kBytes>
GESSO_DEVICE inline void decode_bits(const uint8_t* bytes, float d, float* __restrict out) {
  for (int b = 0; b < kBytes; ++b) {
    for (int j = 0; j < 8; ++j) out[8 * b + j] = negate_where(~uint32_t{bytes[b]}, j, d);
  }
}

GESSO_DEVICE inline void decode_block(const BlockQ1_0& block, float* __restrict out) {
  decode_bits<16>(block.qs, half_to_float(load_u16(block.d)), out);
}

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockQ1_0& block, int part, float* __restrict out) {
  decode_bits<4>(block.qs + 4 * part, half_to_float(load_u16(block.d)), out);
}

}  // namespace gesso::quant
