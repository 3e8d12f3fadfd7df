// Decoders that make A registers of f16 for wgmma from stored bytes: those of the experts' products.
//
// f16 has three binary digits more than bf16, and a small range. So each weight row is multiplied by a power of two,
// which is found while the row is read (below), and whose inverse multiplies the row's sums at the end.
//
// Every format stores w = factor * code + constant, with the same factor and constant for a unit of 16 or 32 columns. A
// small whole number in the low bits of an f16 is a subnormal: code * 2^-24, exactly. So a mask makes two codes an
// operand of fma_half, and one instruction makes two weights of them. (A nibble in bits 4 to 7 is code * 2^-20. It
// needs no shift, and a factor that is 16 times smaller.)
//
// A warp has 16 weight rows. Of the rows g = lane / 4 and g + 8 a lane holds four of every 16 columns, in two
// registers. With t = lane % 4 the first register has the columns 2t and 2t + 1, and the second one 2t + 8 and 2t + 9.
// With EvensFirstTypes the first has 4t and 4t + 2, and the second 4t + 1 and 4t + 3. Then the rows of x have their
// columns in that order too (gemm/pack/half_rows.h).
//
// The factors and constants are made once per part of a row, of 2 or 4 steps. This depends on the format alone, so that
// all tiles make the same bits. Two neighbouring lanes prepare a row. Each has half of the part's steps. The 8 rows of
// lanes 0 to 15 lie so that the same word of all of them is in different banks, and those of lanes 16 to 31 too.
// HalfFragments<type> has
//   static constexpr int kPartSteps     the steps of 64 columns in a part
//   static constexpr int kUnitColumns   16 or 32
//   static constexpr int kStepWords     the words of a row and a step: one for each unit, and what codes() needs
//   static constexpr bool kWholeSpans   whether rows end with a whole span
//   static constexpr bool kAlternates   whether half h of four steps has the steps h and h + 2, or else 2h and 2h + 1;
//                                       a warp reads both halves at once, which may lie in the same banks
//   struct Header                       what a lane reads for its units
// and in device code
//   Header header(const uint8_t* span, int first_step, int half, int left)
//        Reads the header of the units of a half, for the part that begins at step first_step of the span. From there
//        on the row has `left` columns, at least 1, which end at a unit of 32. Factors and constants behind them are 0.
//   float magnitude(const Header& header)
//        A bound of what words() makes with power = 1: not less than the largest magnitude, and not much more. It is
//        0 only if all of them are. It may be infinite or NaN where they are.
//   void words(const Header& header, float power, uint32_t (&words)[kPartSteps / 2 * kStepWords])
//        The words of each step of the half. The first ones are those of its units, in the order of their columns:
//        factor * power * 2^24 as f16 in the low bits (or 2^20 where codes are at bit 4), constant * power in the high
//        ones. Each is rounded once. Where a factor is infinite or NaN, one of the two is, and so all weights are NaN.
//   void codes(const WarpSpan& span, int step, const RowWords<kStepWords>& words, uint32_t (&codes)[4][4])
//        The codes of a step, as fragments of A. codes[k] belongs to columns 16k to 16k + 15: codes[k][i] has the first
//        two columns of row g + 8i, and codes[k][i + 2] the others. They are finite whatever the bytes are.
#pragma once

#include "cuda/decode/fragments.h"
#include "cuda/device/access.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/mma.h"

namespace gesso::cuda {

template <DType kFormat>
struct HalfFragments;

// Where the same span of a warp's 16 weight rows lies in shared memory.
struct WarpSpan {
  const uint8_t* rows[2];   // of the rows lane / 4 and lane / 4 + 8
  const uint8_t* lane_row;  // of the row lane % 16
};

// The words of a step, first those of the row lane / 4, and then those of the row lane / 4 + 8.
template <int kStepWords>
using RowWords = uint32_t[2 * kStepWords];

template <>
struct HalfFragments<DType::kQ4_K> {
  static constexpr int kPartSteps = 4, kUnitColumns = 32, kStepWords = 2;
  static constexpr bool kWholeSpans = true, kAlternates = false;

  // The weights of a unit are d * scale * code - dmin * min.
  struct Header {
    float d, dmin;
    ScaleCodes of_units;
  };

  __device__ static Header header(const uint8_t* span, int, int half, int) {
    const uint4 words = load_from<uint4>(span);
    return {from_half(static_cast<uint16_t>(words.x)), from_half(static_cast<uint16_t>(words.x >> 16)),
            ScaleCodes(words, half)};
  }

  // As if scales and minimums were as large as can be. The largest scale of a block is, as it is quantised.
  __device__ static float magnitude(const Header& header) {
    return fmaxf(fabsf(header.d) * (63 * 0x1p24f), fabsf(header.dmin) * 63);
  }

  __device__ static void words(const Header& header, float power, uint32_t (&words)[4]) {
    const float low = header.d * power * 0x1p24f, high = header.d * power * 0x1p20f, min = -header.dmin * power;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float scale = i % 2 == 0 ? low : high;
      words[i] = pack_half(times_byte(scale, header.of_units.scales, i), times_byte(min, header.of_units.mins, i));
    }
  }

  // The bytes of a step are the low and the high nibbles of 32 columns each.
  __device__ static void codes(const WarpSpan& span, int step, const RowWords<kStepWords>&, uint32_t (&codes)[4][4]) {
    uint32_t bytes[4];  // of rows g and g + 8, four bytes of the first 16 and of the others
    load_matrix_x4(bytes, span.lane_row + 16 + 32 * step + lane_index() / 16 * 16);
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      const int k = m / 2, i = m % 2;
      codes[k][i] = bytes[m] & twice(0xf);
      codes[k][i + 2] = bytes[m] >> 8 & twice(0xf);
      codes[k + 2][i] = bytes[m] & twice(0xf0);
      codes[k + 2][i + 2] = bytes[m] >> 8 & twice(0xf0);
    }
  }

 private:
  // scale * a byte of the word. The scale has 11 binary digits, so that nothing is rounded.
  __device__ static float times_byte(float scale, uint32_t word, int byte) {
    return fmaf(scale, byte_in_float(word, byte), -0x1p23f * scale);
  }
};

}  // namespace gesso::cuda
