// Encoders of super-blocks whose parts each have a scale and a minimum.
#include "quant/encode/pack.h"
#include "quant/encode/super_block.h"
#include "quant/encode/widths.h"
#include "quant/super_blocks/q2_k.h"
#include "quant/super_blocks/q4_k.h"
#include "quant/super_blocks/q5_k.h"

namespace gesso::quant {

// Finds the best scales and minimums and returns them. Writes d and dmin to the block, and the codes of all elements to
// `codes`.
template <typename V, int high, int kParts, int top, typename Block>
SuperAffine<kParts> encode_super_affine(const float* x, const float* importance, Block& block,
                                        uint8_t (&codes)[kSuperBlock]) {
  const Elements<kSuperBlock> elements(x, importance);
  const auto best = SuperAffineSearch<V, high, kParts, top>(elements).best();
  const HalfPrecision half(elements.unit);
  half.write(best.d, block.d);
  half.write(best.dmin, block.dmin);
  constexpr int N = kSuperBlock / kParts;
  for (int j = 0; j < kParts; ++j) {
    const float scale = best.d * static_cast<float>(best.scales[j]), min = best.dmin * static_cast<float>(best.mins[j]);
    write_levels<IntegerLevels<0, high>, N>(elements.x + N * j, scale, -min, codes + N * j);
  }
  return best;
}

// The layout is described in q4_k.h.
inline void write_scales_and_mins(const SuperAffine<8>& best, uint8_t (&scales)[12]) {
  for (int j = 0; j < 4; ++j) {
    scales[j] = static_cast<uint8_t>(best.scales[j] | best.scales[j + 4] >> 4 << 6);
    scales[j + 4] = static_cast<uint8_t>(best.mins[j] | best.mins[j + 4] >> 4 << 6);
    scales[j + 8] = static_cast<uint8_t>((best.scales[j + 4] & 15) | (best.mins[j + 4] & 15) << 4);
  }
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ2_K& block) {
  uint8_t codes[kSuperBlock];
  const auto best = encode_super_affine<V, 3, 16, 15>(x, importance, block, codes);
  for (int j = 0; j < 16; ++j) block.scales[j] = static_cast<uint8_t>(best.scales[j] | best.mins[j] << 4);
  write_pairs(codes, 0, block.qs);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ4_K& block) {
  uint8_t codes[kSuperBlock];
  write_scales_and_mins(encode_super_affine<V, 15, 8, 63>(x, importance, block, codes), block.scales);
  for (int c = 0; c < 4; ++c) write_nibbles<32>(codes + 64 * c, block.qs + 32 * c);
}

template <typename V>
void encode(const float* x, const float* importance, BlockQ5_K& block) {
  uint8_t codes[kSuperBlock];
  write_scales_and_mins(encode_super_affine<V, 31, 8, 63>(x, importance, block, codes), block.scales);
  for (int c = 0; c < 4; ++c) write_nibbles<32>(codes + 64 * c, block.qs + 32 * c);
  write_bit_planes(codes, 4, block.qh);
}

void encode_block(const float* x, const float* importance, BlockQ2_K& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockQ4_K& block) { encode_widest(x, importance, block); }
void encode_block(const float* x, const float* importance, BlockQ5_K& block) { encode_widest(x, importance, block); }

}  // namespace gesso::quant
