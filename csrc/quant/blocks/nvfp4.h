// NVFP4: 64 elements of 4 bits, each an E2M1 float, in 4 sub-blocks of 16, each with a scale of 8 bits:
//   x[j] = nvfp4_scale(d[j / 16]) * kE2M1Values[q[j]]
// A tensor of this type has one more factor, the weight scale. It is a tensor of its own, `<name>.scale`.
//
//   byte 0        4                                                                36
//        | u8 d[4] | qs[8s + j] = q[16s + j + 8] << 4 | q[16s + j],  s = 0..3, j = 0..7 |
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "core/dtype.h"
#include "quant/blocks/mxfp4.h"

namespace gesso::quant {

struct BlockNVFP4 {
  static constexpr DType kDType = DType::kNVFP4;
  static constexpr int kNumElements = 64;
  static constexpr int kGroup = 16, kOffset = 12, kNumHalves = 0;
  static constexpr bool kHasMin = false;

  uint8_t d[4];
  uint8_t qs[32];
};
static_assert(sizeof(BlockNVFP4) == 36 && alignof(BlockNVFP4) == 1);

// Returns half of the E4M3 float (bias 7) that `d` stores; half, because kE2M1Values are doubled. The sign is ignored.
// 0x7f and 0xff, which are NaN, count as 0.
GESSO_HOST_DEVICE constexpr float nvfp4_scale(uint8_t d) {
  if ((d & 0x7f) == 0x7f) return 0.0f;
  const uint32_t exponent = d >> 3 & 15, mantissa = d & 7;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return std::bit_cast<float>((exponent + 127 - 7 - 1) << 23 | mantissa << 20);
}

GESSO_DEVICE inline void decode_block(const BlockNVFP4& block, float* __restrict out) {
  for (int s = 0; s < 4; ++s) {
    const float scale = nvfp4_scale(block.d[s]);
    const uint8_t* qs = block.qs + 8 * s;
    for (int j = 0; j < 8; ++j) out[16 * s + j] = scale * kE2M1Values[qs[j] & 15];
    for (int j = 0; j < 8; ++j) out[16 * s + j + 8] = scale * kE2M1Values[qs[j] >> 4];
  }
}

inline void unpack_levels(const BlockNVFP4& block, uint8_t* __restrict levels) {
  for (int s = 0; s < 4; s += 2) {
    const Bytes16 qs = load_16(block.qs + 8 * s);
    const Bytes16 low = look_up(kE2M1Levels, qs & 15), high = look_up(kE2M1Levels, qs >> 4);
    store(__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), levels + 16 * s);
    store(__builtin_shufflevector(low, high, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
          levels + 16 * s + 16);
  }
}

// nvfp4_scale of every byte. A block has four scales, and the branches of that function would take most of the time.
inline constexpr std::array<float, 256> kNvfp4Scales = [] {
  std::array<float, 256> scales{};
  for (int d = 0; d < 256; ++d) scales[d] = nvfp4_scale(static_cast<uint8_t>(d));
  return scales;
}();

inline void unpack_scales(const BlockNVFP4& block, float, float, float* __restrict scales, float*) {
  for (int s = 0; s < 4; ++s) scales[s] = kNvfp4Scales[block.d[s]];
}

void encode_block(const float* x, const float* importance, BlockNVFP4& block);

}  // namespace gesso::quant
