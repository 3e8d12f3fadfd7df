// Q6_K: 256 elements of 6 bits in 16 sub-blocks of 16, each with a signed 8-bit scale:
//   x[j] = (d * scale) * (q[j] - 32)
//
//   byte 0            128          192              208     210
//        | u8 ql[128] | u8 qh[64] | i8 scales[16] | f16 d |
//
//   In each half of 128 elements, element 32k + l, k = 0..3:
//     4 low bits in byte 32 (k % 2) + l of the half's 64 bytes of ql, in the low nibble for k < 2, the high one else;
//     2 high bits in byte l of its 32 bytes of qh, in bits 2k and 2k + 1.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ6_K {
  static constexpr DType kDType = DType::kQ6_K;
  static constexpr int kNumElements = 256;
  static constexpr int kGroup = 16, kOffset = 32, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint8_t d[2];
};
static_assert(sizeof(BlockQ6_K) == 210 && alignof(BlockQ6_K) == 1);

GESSO_DEVICE inline void decode_block(const BlockQ6_K& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int j = 0; j < 16; ++j) {
    const float scale = d * static_cast<float>(block.scales[j]);
    const int half = j / 8, k = j / 2 % 4;
    const uint8_t* ql = block.ql + 64 * half + 32 * (k % 2) + 16 * (j % 2);
    const uint8_t* qh = block.qh + 32 * half + 16 * (j % 2);
    for (int l = 0; l < 16; ++l) {
      const int q = ((ql[l] >> (k / 2 * 4)) & 15) | ((qh[l] >> (2 * k)) & 3) << 4;
      out[16 * j + l] = scale * static_cast<float>(q - 32);
    }
  }
}

inline void unpack_levels(const BlockQ6_K& block, uint8_t* __restrict levels) {
  for (int part = 0; part < 8; ++part) {
    const int half = part / 4, k = part % 4;
    const Bytes32 ql = load_32(block.ql + 64 * half + 32 * (k % 2));
    const Bytes32 qh = load_32(block.qh + 32 * half);
    store(((ql >> 4 * (k / 2)) & 15) | (shift(qh, 4 - 2 * k) & 48), levels + 32 * part);
  }
}

inline void unpack_scales(const BlockQ6_K& block, float d, float, float* __restrict scales, float*) {
  scale_bytes(load_16(block.scales) ^ 128, 128, d, scales);
}

void encode_block(const float* x, const float* importance, BlockQ6_K& block);

}  // namespace gesso::quant
