// How kernels read stored weights: 32 elements of a row at a time, from shared memory, where the bytes lie as in the
// file.
//
// A *span* is what is copied of a row at once: the bytes of kSpanColumns columns, and the 16-byte aligned window around
// them. So rows and blocks of any alignment are read without repacking. A *unit* is 32 columns of a span.
//
// TileDecoder<type> of each type (RemainingDecoder for all that have none) has
//   static constexpr int kSpanColumns     64, 128 or 256 (times kPasses)
//   static constexpr int kMaxSpanBytes    bytes of a span's columns, at most
//   static constexpr int kAlignment       1 to 16: of a span's first byte, in global and in shared memory
//   static constexpr int kPasses          how often each 64 columns come: once, in SplitDecoder three times
// and in device code
//   explicit TileDecoder(DType)           only RemainingDecoder looks at the type
//   int span_bytes()
//   void decode(StoredBytes span, int unit, uint32_t (&out)[16])         to bf16, two in a word
// If kHasCodes is true, it also gives the elements as integers (codes.h):
//   Codes codes(StoredBytes span, int unit)
// Behind the last column of a row a span may hold anything, and so do the elements that are decoded from there.
// clear_columns makes these elements zero. A decoder may read up to 4 bytes behind its unit.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr int kUnitColumns = 32;

template <DType kFormat>
struct TileDecoder;

// A value of this type stands for a decoder's type in a call.
template <typename D>
struct DecoderType {
  using Decoder = D;
};

// Makes the elements of a unit zero, from column `num_columns` on.
__device__ inline void clear_columns(uint32_t (&out)[16], int num_columns) {
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    if (2 * i + 1 >= num_columns) out[i] &= 0xffffu;
    if (2 * i >= num_columns) out[i] = 0;
  }
}

}  // namespace gesso::cuda
