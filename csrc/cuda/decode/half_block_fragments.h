// Decoders to f16 (half_fragments.h) of the formats whose rows begin at any even address, and of NVFP4.
#pragma once

#include <bit>

#include "cuda/decode/half_fragments.h"
#include "cuda/device/access.h"
#include "cuda/device/bf16.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// A number of the row that a lane prepares. The rows of lanes 0 to 15 lie in the same banks as those of lanes 16 to 31,
// so a load takes two passes. They are written as two loads, which the emulator counts.
template <typename T>
__device__ inline T load_of_row(const uint8_t* address) {
  return lane_index() < 16 ? load_from<T>(address) : load_from<T>(address);
}

// A lane's four of 16 bytes: those of the columns 2t, 2t + 8, 2t + 1 and 2t + 9, where t = lane % 4. Each load takes 8
// bytes of 8 rows, which lie in different banks also where rows begin at different places of 16 bytes.
__device__ inline uint32_t load_pairs(const uint8_t* bytes) {
  const uint8_t* of_lane = bytes + lane_index() % 4 * 2;
  return permute_bytes(load_from<uint16_t>(of_lane), load_from<uint16_t>(of_lane + 8), 0x5140);
}

// The codes of these columns, a byte each, as the registers of 2t and 2t + 1, and of 2t + 8 and 2t + 9.
__device__ inline void split_codes(uint32_t bytes, uint32_t& first, uint32_t& second) {
  first = bytes & twice(0xff);
  second = permute_bytes(bytes, 0, 0x4341);
}

// What blocks of 32 columns have in common that begin with d, and whose weights are d * (code - kZero). The constant
// -kZero * d has the digits of the factor d, so that both are rounded alike.
template <int kBlockBytes, int kZero, int kSteps>
struct HalfBlocks {
  static constexpr int kPartSteps = kSteps, kUnitColumns = 32;
  static constexpr bool kWholeSpans = false, kAlternates = true;

  struct Header {
    float d[kPartSteps];  // half of the steps have as many units
  };

  __device__ static Header header(const uint8_t* span, int first_step, int half, int left) {
    Header header = {};
#pragma unroll
    for (int i = 0; i < kPartSteps; ++i) {
      const int unit = 2 * (half + i / 2 * 2) + i % 2;
      const uint8_t* block = span + kBlockBytes * (2 * first_step + unit);
      if (kUnitColumns * unit < left) header.d[i] = from_half(load_of_row<uint16_t>(block));
    }
    return header;
  }

  __device__ static float magnitude(const Header& header) {
    float largest = 0;
#pragma unroll
    for (float d : header.d) largest = fmaxf(largest, fabsf(d));
    return largest * 0x1p24f;
  }

  __device__ static void words(const Header& header, float power, uint32_t (&words)[kPartSteps]) {
#pragma unroll
    for (int i = 0; i < kPartSteps; ++i) {
      const float d = header.d[i] * power;
      words[i] = pack_half(d * 0x1p24f, d * -kZero);
    }
  }
};

// A signed byte with its first bit flipped is the byte + 128.
template <>
struct HalfFragments<DType::kQ8_0> : HalfBlocks<34, 128, 2> {
  __device__ static void codes(const WarpSpan& span, int step, uint32_t (&codes)[4][4]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const uint8_t* block = span.rows[i] + 34 * (2 * step + k / 2);
        split_codes(load_pairs(block + 2 + k % 2 * 16) ^ 0x80808080u, codes[k][i], codes[k][i + 2]);
      }
    }
  }
};

// The low nibbles of 16 bytes are the first 16 columns of a block, and the high nibbles are the others. The fifth bits
// of 16 columns are a number of 16 bits, whose bits 2t, 2t + 1, 2t + 8 and 2t + 9 are a lane's. A product moves them to
// bit 4 of the bytes 0, 2, 1 and 3. The other copies fall elsewhere.
template <>
struct HalfFragments<DType::kQ5_0> : HalfBlocks<22, 16, 4> {
  __device__ static void codes(const WarpSpan& span, int step, uint32_t (&codes)[4][4]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int unit = 0; unit < 2; ++unit) {
        const uint8_t* block = span.rows[i] + 22 * (2 * step + unit);
        const uint32_t nibbles = load_pairs(block + 6);
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          const uint32_t bits = load_from<uint16_t>(block + 2 + 2 * n) >> lane_index() % 4 * 2;
          const uint32_t fifth_bits = (bits & 0x0303u) * 0x00080010u;
          const int k = 2 * unit + n;
          split_codes(mask_and_flip(fifth_bits, 0x10101010u, nibbles >> 4 * n & 0x0f0f0f0fu), codes[k][i],
                      codes[k][i + 2]);
        }
      }
    }
  }
};

// A code is a value of 4 bits as f16: the sign in bit 15, the other three in bits 9 to 11. That is the value * 2^-14,
// or 2^10 * value as a multiple of 2^-24. So the factor is the scale * 2^-10. There is no constant.
template <>
struct HalfFragments<DType::kNVFP4> {
  static constexpr int kPartSteps = 4, kUnitColumns = 16;
  static constexpr bool kWholeSpans = false, kAlternates = false;

  struct Header {
    uint32_t scales[2 * kPartSteps];  // * 2^-120, as bits of a float
  };

  // As in quant/blocks/nvfp4.h, the sign of a scale is ignored, and 0x7f, which would be NaN, counts as 0.
  __device__ static Header header(const uint8_t* span, int first_step, int half, int left) {
    Header header = {};
#pragma unroll
    for (int s = 0; s < kPartSteps / 2; ++s) {
      const int step = half * (kPartSteps / 2) + s;
      if (64 * step >= left) break;
      const uint32_t bytes = load_of_row<uint32_t>(span + 36 * (first_step + step)) & 0x7f7f7f7fu;
      const uint32_t numbers = bytes & ~(((bytes + 0x01010101u) >> 7 & 0x01010101u) * 0x7fu);
#pragma unroll
      for (int i = 0; i < 4; ++i) header.scales[4 * s + i] = permute_bytes(numbers, 0, 0x4044u | i << 8) << 4;
    }
    return header;
  }

  __device__ static float magnitude(const Header& header) {
    uint32_t largest = 0;
#pragma unroll
    for (uint32_t scale : header.scales) largest = scale > largest ? scale : largest;
    return std::bit_cast<float>(largest) * 0x1p120f * 0x1p14f;
  }

  __device__ static void words(const Header& header, float power, uint32_t (&words)[2 * kPartSteps]) {
#pragma unroll
    for (int i = 0; i < 2 * kPartSteps; ++i) {
      words[i] = pack_half(std::bit_cast<float>(header.scales[i]) * 0x1p120f * power * 0x1p14f, 0);
    }
  }

  // With s = 0 or 8 for its sign a nibble is s + m, where m is 0 to 7. The sum s + m + 56 is 56 + m or 64 + m, so that
  // its bit 6 is the sign and its bits 0 to 2 are m. Twice the sum is the high byte of the f16, but for bits 4 to 6.
  __device__ static void codes(const WarpSpan& span, int step, uint32_t (&codes)[4][4]) {
    const int t = lane_index() % 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const uint8_t* bytes = span.rows[i] + 36 * step + 4 + 8 * k + t % 2 * 4;
        const uint32_t nibbles = load_from<uint32_t>(bytes) >> t / 2 * 4 & 0x0f0f0f0fu;
        const uint32_t high_bytes = nibbles * 2 + 2 * 56 * 0x01010101u;
        codes[k][i] = high_bytes << 8 & twice(0x8e00);
        codes[k][i + 2] = high_bytes & twice(0x8e00);
      }
    }
  }
};

// Blocks of 256 columns, and a scale for each 16. The header holds the scales of a lane's units as the file has them.
template <>
struct HalfFragments<DType::kQ6_K> {
  static constexpr int kPartSteps = 2, kUnitColumns = 16;
  static constexpr bool kWholeSpans = true, kAlternates = true;

  struct Header {
    float d;
    uint32_t scales;  // four signed bytes
  };

  __device__ static Header header(const uint8_t* block, int first_step, int half, int) {
    const uint8_t* scales = block + 192 + 4 * (first_step + half);
    return {from_half(load_of_row<uint16_t>(block + 208)),
            load_of_row<uint16_t>(scales) | uint32_t{load_of_row<uint16_t>(scales + 2)} << 16};
  }

  // As if a scale were as large as can be. The largest scale of a block is nearly, as it is quantised.
  __device__ static float magnitude(const Header& header) { return fabsf(header.d) * (128 * 0x1p24f); }

  // A byte in bits 8 to 15 of 2^15 is 2^15 + byte. With the first bit flipped it is 2^15 + 128 + the signed byte. As d
  // has 11 binary digits, nothing is rounded before pack_half.
  __device__ static void words(const Header& header, float power, uint32_t (&words)[4]) {
    const float d = header.d * power * 0x1p24f;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t number = permute_bytes(header.scales ^ 0x80808080u, 0x47, 0x4505u | i << 4);
      const float factor = fmaf(d, std::bit_cast<float>(number), d * -(0x1p15f + 128));
      words[i] = pack_half(factor, factor * (-32 * 0x1p-24f));
    }
  }

  // Of the 128 columns of two steps, the first step has the low nibbles of 64 bytes, and bits 0 to 3 of 32 more bytes:
  // bits 0 and 1 for its first 32 columns. The second step has the rest.
  __device__ static void codes(const WarpSpan& span, int step, uint32_t (&codes)[4][4]) {
    const int shift = step % 2 * 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint8_t* half = span.rows[i] + 64 * (step / 2);
      const uint32_t bits[2] = {load_pairs(span.rows[i] + 128 + 32 * (step / 2)),
                                load_pairs(span.rows[i] + 128 + 32 * (step / 2) + 16)};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const uint32_t nibbles = load_pairs(half + 16 * k) >> shift & 0x0f0f0f0fu;
        const int left = 4 - shift - k / 2 * 2;  // to bits 4 and 5
        const uint32_t upper = left >= 0 ? bits[k % 2] << left : bits[k % 2] >> -left;
        split_codes(mask_and_flip(upper, 0x30303030u, nibbles), codes[k][i], codes[k][i + 2]);
      }
    }
  }
};

}  // namespace gesso::cuda
