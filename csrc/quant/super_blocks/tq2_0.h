// TQ2_0: 256 elements of 2 bits with one scale:  x[i] = d * (q[i] - 1). Ternary models use only q = 0, 1 and 2.
//
//   byte 0          64      66
//        | u8 qs[64] | f16 d |
//
//   qs: two chunks of 32 bytes; byte m of chunk c holds four elements:
//     bits 7 6                5 4               3 2               1 0
//         | q[128c + 96 + m] | q[128c + 64 + m] | q[128c + 32 + m] | q[128c + m] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockTQ2_0 {
  static constexpr DType kDType = DType::kTQ2_0;
  static constexpr int kNumElements = 256;

  uint8_t qs[64];
  uint8_t d[2];
};
static_assert(sizeof(BlockTQ2_0) == 66 && alignof(BlockTQ2_0) == 1);

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockTQ2_0& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const uint8_t* qs = block.qs + 32 * (part / 4);
  const int shift = 2 * (part % 4);
  for (int m = 0; m < 32; ++m) out[m] = d * static_cast<float>((qs[m] >> shift & 3) - 1);
}

GESSO_DEVICE inline void decode_block(const BlockTQ2_0& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant
