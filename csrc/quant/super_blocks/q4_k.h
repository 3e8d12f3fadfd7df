// Q4_K: 256 elements of 4 bits in 8 sub-blocks of 32, each with a 6-bit scale and a 6-bit minimum:
//   x[j] = (d * scale) * q[j] - (dmin * minimum)
//
//   byte 0      2         4               16                 144
//        | f16 d | f16 dmin | u8 scales[12] | u8 qs[128] |
//
//   qs: four chunks of 32 bytes; byte l of chunk c holds q[64c + l] in its low nibble and q[64c + 32 + l] in its high
//       one. So the low nibbles are sub-block 2c and the high nibbles are sub-block 2c + 1.
//   scales: those of sub-blocks 0 to 3 are whole; those of 4 to 7 are split into 4 low bits and 2 high bits.
//               bits 7 6        5 4 3 2 1 0
//     byte j     | scale[j+4] high | scale[j]           |     j = 0..3
//     byte j+4   | min[j+4] high   | min[j]             |
//               bits 7 6 5 4           3 2 1 0
//     byte j+8   | min[j+4] low        | scale[j+4] low |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ4_K {
  static constexpr DType kDType = DType::kQ4_K;
  static constexpr int kNumElements = 256;
  static constexpr int kGroup = 32, kOffset = 0, kNumHalves = 2;
  static constexpr bool kHasMin = true;

  uint8_t d[2];
  uint8_t dmin[2];
  uint8_t scales[12];
  uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144 && alignof(BlockQ4_K) == 1);

struct ScaleAndMin {
  uint8_t scale;
  uint8_t min;
};

// Returns the 6-bit scale and minimum of sub-block j, 0 to 7.
GESSO_DEVICE inline ScaleAndMin unpack_scale_and_min(const uint8_t (&scales)[12], int j) {
  if (j < 4) return {static_cast<uint8_t>(scales[j] & 63), static_cast<uint8_t>(scales[j + 4] & 63)};
  return {static_cast<uint8_t>((scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4),
          static_cast<uint8_t>((scales[j + 4] >> 4) | (scales[j] >> 6) << 4)};
}

GESSO_DEVICE inline void decode_block(const BlockQ4_K& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const float dmin = half_to_float(load_u16(block.dmin));
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMin packed = unpack_scale_and_min(block.scales, j);
    // All products are exact in float32: d has 11 bits, the scale 6 and the level 4, 21 in all, and float32 has 24. So
    // only the subtraction below rounds.
    const float scale = d * static_cast<float>(packed.scale);
    const float min = dmin * static_cast<float>(packed.min);
    const uint8_t* qs = block.qs + 32 * (j / 2);
    const int shift = 4 * (j % 2);
    for (int l = 0; l < 32; ++l) out[32 * j + l] = scale * static_cast<float>((qs[l] >> shift) & 15) - min;
  }
}

// Does this for all 8 sub-blocks at once: scales[j] = d * scale, mins[j] = dmin * minimum.
inline void unpack_scales_and_mins(const uint8_t* packed, float d, float dmin, float* __restrict scales,
                                   float* __restrict mins) {
  typedef uint32_t Words4 __attribute__((vector_size(16)));
  // Loads the 12 bytes of scales and the 4 behind them, which belong to the block but are not used. `low` has the bits
  // 0 to 3 (sub-blocks 4 to 7) or 0 to 5 (sub-blocks 0 to 3) of the 8 scales and then of the 8 minimums; `high` has the
  // bits 4 and 5 for sub-blocks 4 to 7.
  const Words4 words = reinterpret_cast<Words4>(load_16(packed));
  const Words4 low = __builtin_shufflevector(words, words, 0, 2, 1, 2) >> Words4{0, 0, 0, 4};
  const Words4 high = __builtin_shufflevector(words, words, 0, 0, 1, 1) >> 2;
  const Words4 bytes =
      (low & Words4{0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f}) | (high & Words4{0, 0x30303030, 0, 0x30303030});
  scale_8_bytes<0>(reinterpret_cast<Bytes16>(bytes), 0, d, scales);
  scale_8_bytes<8>(reinterpret_cast<Bytes16>(bytes), 0, dmin, mins);
}

inline void unpack_levels(const BlockQ4_K& block, uint8_t* __restrict levels) {
  for (int c = 0; c < 4; ++c) {
    const Bytes32 qs = load_32(block.qs + 32 * c);
    store(qs & 15, levels + 64 * c);
    store(qs >> 4, levels + 64 * c + 32);
  }
}

inline void unpack_scales(const BlockQ4_K& block, float d, float dmin, float* __restrict scales, float* mins) {
  unpack_scales_and_mins(block.scales, d, dmin, scales, mins);
}

void encode_block(const float* x, const float* importance, BlockQ4_K& block);

}  // namespace gesso::quant
