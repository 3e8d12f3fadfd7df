// Q5_0: 32 elements of 5 bits with one scale:  x[j] = d * (q[j] - 16)
//
//   byte 0      2           6                                                                    22
//        | f16 d | u32 qh    | qs[0] = (q[16] & 15) << 4 | (q[0] & 15)  ...  qs[15] = ... q[31], q[15] |
//
//   qh: bit j is bit 4 of q[j].
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ5_0 {
  static constexpr DType kDType = DType::kQ5_0;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 16, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t d[2];
  uint8_t qh[4];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22 && alignof(BlockQ5_0) == 1);

// Returns 16 where bit j (0 to 15) of `bits` is set, else 0. Because it has a table instead of a shift by j, compilers
// vectorise a loop over j for every x86-64.
GESSO_DEVICE inline int bit_4(uint32_t bits, int j) {
  static constexpr uint32_t kBits[] = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                       1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
  return bits & kBits[j] ? 16 : 0;
}

GESSO_DEVICE inline void decode_block(const BlockQ5_0& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const uint32_t qh = load_u32(block.qh);
  for (int j = 0; j < 16; ++j) out[j] = d * static_cast<float>(((block.qs[j] & 15) | bit_4(qh, j)) - 16);
  for (int j = 0; j < 16; ++j) out[j + 16] = d * static_cast<float>(((block.qs[j] >> 4) | bit_4(qh >> 16, j)) - 16);
}

inline void unpack_levels(const BlockQ5_0& block, uint8_t* __restrict levels) {
  store(split_nibbles(block.qs) | (spread_bits(load_u32(block.qh)) & 16), levels);
}

inline void unpack_scales(const BlockQ5_0&, float d, float, float* __restrict scales, float*) { scales[0] = d; }

void encode_block(const float* x, const float* importance, BlockQ5_0& block);

}  // namespace gesso::quant
