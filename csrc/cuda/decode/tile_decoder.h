// How kernels read stored weights: 32 elements of a row at a time, from bytes that lie in shared memory as the file has
// them.
//
// A *span* is what is copied of a row at once: the bytes of kSpanColumns columns, with the 16-byte aligned window
// around them. So rows and blocks of any alignment are read in place, without repacking. A *unit* is 32 columns of a
// span.
//
// TileDecoder<type> of each type (RemainingDecoder for all that have none) has
//   static constexpr int kSpanColumns     64, 128 or 256 (times kPasses)
//   static constexpr int kMaxSpanBytes    bytes of a span's columns, at most
//   static constexpr int kAlignment       1 to 16: of a span's first byte, in global and in shared memory
//   static constexpr int kPasses          how often each 64 columns come: once, in SplitDecoder three times
// and in device code
//   explicit TileDecoder(DType)           only RemainingDecoder looks at the type
//   int span_bytes()
//   void decode(const uint8_t* span, int unit, uint32_t (&out)[16])      to bf16, two in a word
// and where kHasCodes is true, it gives the elements as integers (codes.h), too:
//   Codes codes(const uint8_t* span, int unit)
// Behind the last column of a row a span may hold anything, and so may the elements that are decoded from there:
// clear_columns makes them zero. A decoder reads up to 4 bytes more than its unit has.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr int kUnitColumns = 32;

template <DType kFormat>
struct TileDecoder;

// Stands for a decoder's type in a call.
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
