// TQ1_0: 256 elements of -1, 0 or 1 with one scale, five in a byte:  x[i] = d * (digit[i] - 1)
//
//   byte 0                     32                      48         52      54
//        | u8 qs: five digits   five digits            | u8 qh[4] | f16 d |
//          of 32 elements each, of 16 elements each    : four digits of 4 elements each
//
//   A byte b holds a fraction in base 3: b / 256 = 0.t0 t1 t2 t3 t4, rounded up. So digit n is the integer part of
//   3 * (b * 3^n mod 256) / 256. For example, the digits 1 0 0 0 0 are the fraction 1/3, and b = 86 (85.3 rounded up).
//   The three runs have w = 32, 16 and 4 bytes. In a run, digit n of byte m is element n * w + m.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockTQ1_0 {
  static constexpr DType kDType = DType::kTQ1_0;
  static constexpr int kNumElements = 256;

  uint8_t qs[48];
  uint8_t qh[4];
  uint8_t d[2];
};
static_assert(sizeof(BlockTQ1_0) == 54 && alignof(BlockTQ1_0) == 1);

// Decodes kDigits digits of each of kWidth bytes, from digit `first` on: kDigits * kWidth elements.
template <int kDigits, int kWidth>
GESSO_DEVICE inline void decode_ternary(const uint8_t* bytes, int first, float d, float* __restrict out) {
  int power = 1;
  for (int n = 0; n < first; ++n) power *= 3;
  for (int n = 0; n < kDigits; ++n, power *= 3) {
    for (int m = 0; m < kWidth; ++m) {
      const int digit = (bytes[m] * power & 255) * 3 >> 8;
      out[n * kWidth + m] = d * static_cast<float>(digit - 1);
    }
  }
}

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockTQ1_0& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  if (part < 5) return decode_ternary<1, 32>(block.qs, part, d, out);
  if (part < 7) return decode_ternary<2, 16>(block.qs + 32, 2 * (part - 5), d, out);
  decode_ternary<1, 16>(block.qs + 32, 4, d, out);
  decode_ternary<4, 4>(block.qh, 0, d, out + 16);
}

GESSO_DEVICE inline void decode_block(const BlockTQ1_0& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  decode_ternary<5, 32>(block.qs, 0, d, out);
  decode_ternary<5, 16>(block.qs + 32, 0, d, out + 160);
  decode_ternary<4, 4>(block.qh, 0, d, out + 240);
}

}  // namespace gesso::quant
