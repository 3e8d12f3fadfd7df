// How kernels read stored weights: 32 elements of a row at a time, from bytes that lie in shared memory as stored.
//
// A *span* is what is copied of a row at once: the 16-byte aligned window around the bytes of kSpanColumns columns, so
// that rows and blocks of any alignment are read in place, without repacking. A *unit* is 32 columns of a span.
//
// TileDecoder<format> is, for each type, or once for a family of them,
//   static constexpr int kSpanColumns     64, 128 or 256 (times kPasses)
//   static constexpr int kMaxSpanBytes    that a span's columns take at most
//   static constexpr int kAlignment       1 to 16: of a span's first byte, in global and in shared memory
//   static constexpr int kPasses          1; SplitDecoder's 3: how often each 64 columns come
// and in device code
//   explicit TileDecoder(DType)           only families look at the type
//   int span_bytes()
//   void decode(const uint8_t* span, int unit, uint32_t (&out)[16])      bf16, two in a word; the caller stores them
// and where kHasCodes, the elements as integers, see codes.h:
//   Codes codes(const uint8_t* span, int unit)
// Behind the last column of a row a span holds anything, and so do the elements decoded from there: see clear_columns.
// A decoder reads up to 4 bytes more than its unit has.
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

// Makes the elements of a unit from column `num_columns` on zero.
__device__ inline void clear_columns(uint32_t (&out)[16], int num_columns) {
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    if (2 * i + 1 >= num_columns) out[i] &= 0xffffu;
    if (2 * i >= num_columns) out[i] = 0;
  }
}

}  // namespace gesso::cuda
