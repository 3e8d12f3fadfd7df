// Encoders of super-blocks whose parts each have a scale.
#include "quant/encode/pack.h"
#include "quant/encode/super_block.h"
#include "quant/encode/widths.h"
#include "quant/super_blocks/iq4_xs.h"
#include "quant/super_blocks/q3_k.h"
#include "quant/super_blocks/q6_k.h"

namespace gesso::quant {

// Finds the best scales and returns them. Writes d to the block, and the codes of all elements to `codes`.
template <typename V, typename Levels, int kParts, int low, int high>
SuperScales<kParts> encode_super_scales(const float* x, const float* importance, uint8_t (&d)[2],
                                        uint8_t (&codes)[kSuperBlock]) {
  const Elements<kSuperBlock> elements(x, importance);
  const auto best = SuperScaleSearch<V, Levels, kParts, low, high>(elements).best();
  HalfPrecision(elements.unit).write(best.d, d);
  constexpr int N = kSuperBlock / kParts;
  for (int j = 0; j < kParts; ++j) {
    write_levels<Levels, N>(elements.x + N * j, best.d * static_cast<float>(best.scales[j]), 0, codes + N * j);
  }
  return best;
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ3_K& block) {
  uint8_t codes[kSuperBlock];
  const auto best = encode_super_scales<V, IntegerLevels<-4, 3>, 16, -32, 31>(x, importance, block.d, codes);
  for (int j = 0; j < 4; ++j) {
    const int scales[4] = {best.scales[j] + 32, best.scales[j + 4] + 32, best.scales[j + 8] + 32,
                           best.scales[j + 12] + 32};
    block.scales[j] = static_cast<uint8_t>((scales[0] & 15) | (scales[2] & 15) << 4);
    block.scales[j + 4] = static_cast<uint8_t>((scales[1] & 15) | (scales[3] & 15) << 4);
    block.scales[j + 8] =
        static_cast<uint8_t>(scales[0] >> 4 | scales[1] >> 4 << 2 | scales[2] >> 4 << 4 | scales[3] >> 4 << 6);
  }
  write_pairs(codes, 0, block.qs);
  write_bit_planes(codes, 2, block.qh);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ6_K& block) {
  uint8_t codes[kSuperBlock];
  const auto best = encode_super_scales<V, IntegerLevels<-32, 31>, 16, -128, 127>(x, importance, block.d, codes);
  for (int j = 0; j < 16; ++j) block.scales[j] = static_cast<int8_t>(best.scales[j]);
  for (int half = 0; half < 2; ++half) write_nibbles<64>(codes + 128 * half, block.ql + 64 * half);
  write_pairs(codes, 4, block.qh);
}

template <typename V>
void encode(const float* x, const float* importance, BlockIQ4_XS& block) {
  uint8_t codes[kSuperBlock];
  const auto best = encode_super_scales<V, Iq4Levels, 8, -32, 31>(x, importance, block.d, codes);
  int scales_h = 0;
  for (int j = 0; j < 8; ++j) scales_h |= (best.scales[j] + 32) >> 4 << (2 * j);
  store_u16(static_cast<uint16_t>(scales_h), block.scales_h);
  for (int j = 0; j < 4; ++j) {
    block.scales_l[j] =
        static_cast<uint8_t>(((best.scales[2 * j] + 32) & 15) | ((best.scales[2 * j + 1] + 32) & 15) << 4);
  }
  for (int j = 0; j < 8; ++j) write_nibbles<16>(codes + 32 * j, block.qs + 16 * j);
}

void encode_block(const float* x, const float* importance, BlockQ3_K& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockQ6_K& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockIQ4_XS& block) { encode_widest(x, importance, block); }

}  // namespace gesso::quant
