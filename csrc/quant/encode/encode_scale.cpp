// Encoders of blocks that have one scale. Most formats store it in half precision. MXFP4 and NVFP4 store it in 8 bits;
// there are so few of these scales that all sensible ones are tried.
#include "quant/blocks/iq4_nl.h"
#include "quant/blocks/mxfp4.h"
#include "quant/blocks/nvfp4.h"
#include "quant/blocks/q4_0.h"
#include "quant/blocks/q5_0.h"
#include "quant/blocks/q8_0.h"
#include "quant/encode/pack.h"
#include "quant/encode/search.h"
#include "quant/encode/widths.h"

namespace gesso::quant {

// Finds the best scale of 32 elements and writes it to `d`, and the codes of the elements under that scale to `codes`.
template <typename V, typename Levels>
void encode_half_scale(const float* x, const float* importance, uint8_t (&d)[2], uint8_t (&codes)[32]) {
  const Elements<32> elements(x, importance);
  const HalfPrecision half(elements.unit);
  const float scale = best_scale<V, Levels, 32>(elements.x, elements.w, half).scale;
  half.write(scale, d);
  write_levels<Levels, 32>(elements.x, scale, 0, codes);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ8_0& block) {
  uint8_t codes[32];
  encode_half_scale<V, IntegerLevels<-127, 127>>(x, importance, block.d, codes);
  for (int j = 0; j < 32; ++j) block.q[j] = static_cast<int8_t>(codes[j] - 127);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ4_0& block) {
  uint8_t codes[32];
  encode_half_scale<V, IntegerLevels<-8, 7>>(x, importance, block.d, codes);
  write_nibbles<16>(codes, block.qs);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ5_0& block) {
  uint8_t codes[32];
  encode_half_scale<V, IntegerLevels<-16, 15>>(x, importance, block.d, codes);
  write_nibbles<16>(codes, block.qs);
  write_bits_4(codes, block.qh);
}

template <typename V>
void encode(const float* x, const float* importance, BlockIQ4_NL& block) {
  uint8_t codes[32];
  encode_half_scale<V, Iq4Levels>(x, importance, block.d, codes);
  write_nibbles<16>(codes, block.qs);
}

// Returns the best of 16 neighbouring scale codes. The first of them is the smallest under which the largest element is
// at most twice the largest level, so that cutting it off leaves at least half of it. scale_of gives the scale of a
// code; it must rise with the code.
template <typename V, int N, typename ScaleOf>
uint8_t best_scale_code(const float* x, const float* w, float unit, int highest, ScaleOf scale_of) {
  float largest = 0;
  for (int i = 0; i < N; ++i) largest = std::max(largest, std::fabs(x[i]));
  int first = 0;
  while (first < highest && scale_of(first) * (2 * kE2M1Values[7]) < largest * unit) ++first;
  Trials scales;
  for (int k = 0; k < kTrials; ++k) scales[k] = scale_of(std::min(first + k, highest)) / unit;
  ScaleSums sums;
  try_scales<V, E2M1Levels, N>(x, w, scales, sums);
  return static_cast<uint8_t>(std::min(first + smallest(sums.error), highest));
}

template <typename V>
void encode(const float* x, const float* importance, BlockMXFP4& block) {
  constexpr int kHighest = 252;  // with 253, the largest level would mean 12 * 2^125, which is more than float32 holds
  const Elements<32> elements(x, importance);
  block.e = best_scale_code<V, 32>(elements.x, elements.w, elements.unit, kHighest, mxfp4_scale);
  uint8_t codes[32];
  write_levels<E2M1Levels, 32>(elements.x, mxfp4_scale(block.e) / elements.unit, 0, codes);
  write_nibbles<16>(codes, block.qs);
}

template <typename V>
void encode(const float* x, const float* importance, BlockNVFP4& block) {
  const Elements<64> elements(x, importance);
  for (int s = 0; s < 4; ++s) {
    const float* part = elements.x + 16 * s;
    block.d[s] = best_scale_code<V, 16>(part, elements.w + 16 * s, elements.unit, 0x7e, nvfp4_scale);
    uint8_t codes[16];
    write_levels<E2M1Levels, 16>(part, nvfp4_scale(block.d[s]) / elements.unit, 0, codes);
    write_nibbles<8>(codes, block.qs + 8 * s);
  }
}

void encode_block(const float* x, const float* importance, BlockQ8_0& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockQ4_0& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockQ5_0& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockIQ4_NL& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockMXFP4& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockNVFP4& block) { encode_widest(x, importance, block); }

}  // namespace gesso::quant
