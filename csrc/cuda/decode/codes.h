// The elements of block formats as integers (codes) with scales, and how these become bf16 or int8.
#pragma once

#include <math.h>

#include <bit>

#include "cuda/decode/tile_decoder.h"
#include "cuda/device/bf16.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// A unit of 32 elements. Element j is scale[j / 16] * (code j - kZero) - min, as quant::decode_block computes it.
// A TileDecoder with kHasCodes also has
//   static constexpr int kZero
//   static constexpr bool kHasMin         without it min is 0
//   static constexpr bool kHasTwoScales   without it both scales are the same
struct Codes {
  uint32_t bytes[8];  // code j is byte j % 4 of bytes[j / 4]
  float scale[2];
  float min;
};

// After this all elements of the unit are zero.
__device__ inline void clear_scales(Codes& codes) { codes.scale[0] = codes.scale[1] = codes.min = 0.0f; }

// Code `byte` of the four of a word, less kZero, as a float. A conversion would be slow. Instead the code becomes the
// last bits of the float 2^23, and 2^23 is subtracted again.
template <typename Decoder>
__device__ inline float code_value(uint32_t word, int byte) {
  constexpr uint32_t kBiasTop = 0x4b;  // 2^23 = 0x4b000000
  return std::bit_cast<float>(permute_bytes(word, kBiasTop, 0x4550 | byte)) - (0x1p23f + Decoder::kZero);
}

template <typename Decoder>
__device__ inline void codes_to_bf16(const Codes& codes, uint32_t (&out)[16]) {
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const uint32_t word = codes.bytes[i / 2];
    const int byte = i % 2 * 2;
    const float scale = codes.scale[i / 8];
    out[i] = pack_bf16(fmaf(scale, code_value<Decoder>(word, byte), -codes.min),
                       fmaf(scale, code_value<Decoder>(word, byte + 1), -codes.min));
  }
}

// The four codes of a word, each less kZero, as signed bytes.
template <typename Decoder>
__device__ inline uint32_t signed_codes(uint32_t word) {
  if constexpr (Decoder::kZero == 0) return word;
  if constexpr (Decoder::kZero == 128) return word ^ 0x80808080u;
  constexpr uint32_t kZeros = Decoder::kZero * 0x01010101u;
  return ((word | 0x80808080u) - kZeros) ^ 0x80808080u;  // the high bits keep a byte from borrowing from the next one
}

}  // namespace gesso::cuda
