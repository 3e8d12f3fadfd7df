// Q3_K: 256 elements of 3 bits in 16 sub-blocks of 16, each with a 6-bit scale:
//   x[j] = (d * (scale - 32)) * (q[j] - 4)
//
//   byte 0               32          96               108     110
//        | u8 qh[32]      | u8 qs[64] | u8 scales[12] | f16 d |
//
//   qs: two chunks of 32 bytes; byte l of chunk c holds the low bits of q[128c + 32k + l] in bits 2k and 2k + 1,
//       k = 0..3.
//   qh: byte l holds bit 2 of q[32k + l] in bit k, k = 0..7.
//   scales: each scale is split into 4 low bits and 2 high bits.
//                bits 7 6          5 4          3 2          1 0
//     byte j       | scale[j+8] low           | scale[j] low             |     j = 0..7
//     byte j+8     | scale[j+12] | scale[j+8] | scale[j+4] | scale[j]    |     j = 0..3, the high bits
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ3_K {
  static constexpr DType kDType = DType::kQ3_K;
  static constexpr int kNumElements = 256;
  static constexpr int kGroup = 16, kOffset = 4, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t qh[32];
  uint8_t qs[64];
  uint8_t scales[12];
  uint8_t d[2];
};
static_assert(sizeof(BlockQ3_K) == 110 && alignof(BlockQ3_K) == 1);

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockQ3_K& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int j = 2 * part; j < 2 * part + 2; ++j) {
    const int low = (block.scales[j % 8] >> (j / 8 * 4)) & 15;
    const int high = (block.scales[8 + j % 4] >> (j / 4 * 2)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* qs = block.qs + 32 * (j / 8) + 16 * (j % 2);
    const uint8_t* qh = block.qh + 16 * (j % 2);
    const int shift = j / 2 % 4 * 2;
    for (int l = 0; l < 16; ++l) {
      const int q = ((qs[l] >> shift) & 3) | ((qh[l] >> (j / 2)) & 1) << 2;
      out[16 * (j % 2) + l] = scale * static_cast<float>(q - 4);
    }
  }
}

GESSO_DEVICE inline void decode_block(const BlockQ3_K& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

inline void unpack_levels(const BlockQ3_K& block, uint8_t* __restrict levels) {
  const Bytes32 qh = load_32(block.qh);
  for (int part = 0; part < 8; ++part) {
    const Bytes32 low = (load_32(block.qs + 32 * (part / 4)) >> 2 * (part % 4)) & 3;
    store(low | (shift(qh, 2 - part) & 4), levels + 32 * part);
  }
}

inline void unpack_scales(const BlockQ3_K& block, float d, float, float* __restrict scales, float*) {
  typedef uint32_t Words4 __attribute__((vector_size(16)));
  // Loads 16 bytes: the last 4 of qs, which are not used, then the 12 of scales.
  const Words4 words = reinterpret_cast<Words4>(load_16(block.qs + 60));
  const Words4 low = __builtin_shufflevector(words, words, 1, 2, 1, 2) >> Words4{0, 0, 4, 4};
  const Words4 high = __builtin_shufflevector(words, words, 3, 3, 3, 3) << Words4{4, 2, 0, 0} >> Words4{0, 0, 0, 2};
  scale_bytes(reinterpret_cast<Bytes16>((low & 0x0f0f0f0f) | (high & 0x30303030)), 32, d, scales);
}

void encode_block(const float* x, const float* importance, BlockQ3_K& block);

}  // namespace gesso::quant
