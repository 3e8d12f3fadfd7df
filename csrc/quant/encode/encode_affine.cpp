// Encoders of blocks that have one scale and one minimum, both in half precision.
#include "quant/blocks/q4_1.h"
#include "quant/blocks/q5_1.h"
#include "quant/encode/pack.h"
#include "quant/encode/search.h"
#include "quant/encode/widths.h"

namespace gesso::quant {

template <typename V, int high>
void encode_half_affine(const float* x, const float* importance, uint8_t (&d)[2], uint8_t (&m)[2],
                        uint8_t (&codes)[32]) {
  const Elements<32> elements(x, importance);
  const HalfPrecision half(elements.unit);
  const AffineFit best = best_affine<V, high, 32, 3>(elements.x, elements.w, INFINITY, half);
  half.write(best.scale, d);
  half.write(best.min, m);
  write_levels<IntegerLevels<0, high>, 32>(elements.x, best.scale, best.min, codes);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ4_1& block) {
  uint8_t codes[32];
  encode_half_affine<V, 15>(x, importance, block.d, block.m, codes);
  write_nibbles<16>(codes, block.qs);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ5_1& block) {
  uint8_t codes[32];
  encode_half_affine<V, 31>(x, importance, block.d, block.m, codes);
  write_nibbles<16>(codes, block.qs);
  write_bits_4(codes, block.qh);
}

void encode_block(const float* x, const float* importance, BlockQ4_1& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockQ5_1& block) { encode_widest(x, importance, block); }

}  // namespace gesso::quant
