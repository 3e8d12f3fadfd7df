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
// -kZero * d has the digits of the factor d, so that both are rounded alike. Codes begin at bit kFirstBit.
template <int kBlockBytes, int kZero, int kSteps, int kFirstBit>
struct HalfBlocks {
  static constexpr int kPartSteps = kSteps, kUnitColumns = 32, kStepWords = 2;
  static constexpr bool kWholeSpans = false, kAlternates = true;

  static constexpr int kHeaderUnits = kPartSteps;  // half of the steps have as many units
  struct Header {
    float d[kHeaderUnits];
  };

  // The number of unit i of a half in its part.
  __device__ static int unit_of(int half, int i) { return 2 * (half + i / 2 * 2) + i % 2; }

  __device__ static Header header(const uint8_t* span, int first_step, int half, int left) {
    Header header = {};
#pragma unroll
    for (int i = 0; i < kHeaderUnits; ++i) {
      const int unit = unit_of(half, i);
      const uint8_t* block = span + kBlockBytes * (2 * first_step + unit);
      if (kUnitColumns * unit < left) header.d[i] = from_half(load_of_row<uint16_t>(block));
    }
    return header;
  }

  __device__ static float magnitude(const Header& header) {
    float largest = 0;
#pragma unroll
    for (float d : header.d) largest = fmaxf(largest, fabsf(d));
    return largest * kScale;
  }

  __device__ static void words(const Header& header, float power, uint32_t (&words)[kHeaderUnits]) {
#pragma unroll
    for (int i = 0; i < kHeaderUnits; ++i) {
      const float d = header.d[i] * power;
      words[i] = pack_half(d * kScale, d * -kZero);
    }
  }

 private:
  static constexpr float kScale = 0x1p24f / (1 << kFirstBit);
};

// A signed byte with its first bit flipped is the byte + 128.
template <>
struct HalfFragments<DType::kQ8_0> : HalfBlocks<34, 128, 2, 0> {
  __device__ static void codes(const WarpSpan& span, int step, const RowWords<kStepWords>&, uint32_t (&codes)[4][4]) {
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
// of a block are a number of 32 bits. It is one of the words that are prepared once for a row, with its bits in an
// order that suits the lanes: the bits of a lane's columns become selectors of select_bytes, which puts them above
// nibbles.
//
// A code is in bits 4 to 8. So the low nibbles are moved to where the high ones are.
template <>
struct HalfFragments<DType::kQ5_0> : HalfBlocks<22, 16, 4, 4> {
  using Factors = HalfBlocks<22, 16, 4, 4>;
  static constexpr int kStepWords = 4;  // two of factors and constants, and behind them two of fifth bits

  struct Header {
    Factors::Header factors;
    uint32_t fifth_bits[kHeaderUnits];
  };

  __device__ static Header header(const uint8_t* span, int first_step, int half, int left) {
    Header header = {};
#pragma unroll
    for (int i = 0; i < kHeaderUnits; ++i) {
      const int unit = unit_of(half, i);
      const uint8_t* block = span + 22 * (2 * first_step + unit);
      if (kUnitColumns * unit < left) {
        header.factors.d[i] = from_half(load_of_row<uint16_t>(block));
        const uint32_t low = load_of_row<uint16_t>(block + 2), high = load_of_row<uint16_t>(block + 4);
        header.fifth_bits[i] = low | high << 16;
      }
    }
    return header;
  }

  __device__ static float magnitude(const Header& header) { return Factors::magnitude(header.factors); }

  __device__ static void words(const Header& header, float power, uint32_t (&words)[kHeaderUnits / 2 * kStepWords]) {
    uint32_t factors[kHeaderUnits];
    Factors::words(header.factors, power, factors);
#pragma unroll
    for (int i = 0; i < kHeaderUnits; ++i) {
      words[i / 2 * kStepWords + i % 2] = factors[i];
      words[i / 2 * kStepWords + 2 + i % 2] = pairs_of_lanes(header.fifth_bits[i]);
    }
  }

  __device__ static void codes(const WarpSpan& span, int step, const RowWords<kStepWords>& words,
                               uint32_t (&codes)[4][4]) {
    const int t = lane_index() % 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int unit = 0; unit < 2; ++unit) {
        const uint8_t* nibbles = span.rows[i] + 22 * (2 * step + unit) + 6 + 2 * t;
        const uint32_t first = load_from<uint16_t>(nibbles), second = load_from<uint16_t>(nibbles + 8);
        // The pairs of t become bits 4 and 5, and 12 and 13, of each half of the word. With bit 6 or 14 such a nibble
        // selects a byte of a table.
        const uint32_t pairs = rotate_right(words[i * kStepWords + 2 + unit], 2 * t + 28);
        const uint32_t selectors = mask_and_flip(pairs, 0x30303030u, 0x41404140u);
        select_codes(first << 4, second << 4, selectors, codes[2 * unit][i], codes[2 * unit][i + 2]);
        select_codes(first, second, selectors >> 16, codes[2 * unit + 1][i], codes[2 * unit + 1][i + 2]);
      }
    }
  }

 private:
  // Moves the bits of 16n + 8s + 2t + c, where c is 0 or 1, to 16n + 8c + 2t + s. So the bits of two columns that
  // belong to different registers are a pair, and those of two neighbouring columns are 8 bits apart.
  __device__ static uint32_t pairs_of_lanes(uint32_t bits) {
    const uint32_t differences = (bits ^ bits >> 7) & 0x00aa00aau;
    return bits ^ differences ^ differences << 7;
  }

  // Puts the bits above the nibbles of two bytes. A selector takes the first bit of a pair for `first`, and the second
  // one for `second`.
  __device__ static void select_codes(uint32_t first, uint32_t second, uint32_t selector, uint32_t& first_codes,
                                      uint32_t& second_codes) {
    first_codes = select_bytes(first, 0x01000100u, selector) & twice(0x1f0);
    second_codes = select_bytes(second, 0x01010000u, selector) & twice(0x1f0);
  }
};

// A code is a value of 4 bits as f16: the sign in bit 15, the other three in bits 9 to 11. That is the value * 2^-14,
// or 2^10 * value as a multiple of 2^-24. So the factor is the scale * 2^-10. There is no constant.
template <>
struct HalfFragments<DType::kNVFP4> {
  static constexpr int kPartSteps = 4, kUnitColumns = 16, kStepWords = 4;
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
  __device__ static void codes(const WarpSpan& span, int step, const RowWords<kStepWords>&, uint32_t (&codes)[4][4]) {
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
  static constexpr int kPartSteps = 2, kUnitColumns = 16, kStepWords = 4;
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
  __device__ static void codes(const WarpSpan& span, int step, const RowWords<kStepWords>&, uint32_t (&codes)[4][4]) {
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
