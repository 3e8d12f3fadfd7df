// One decoder for all formats that have none of their own. It runs the code that the CPU runs. That is slower than a
// special decoder, but one kernel serves all these formats.
#pragma once

#include "core/check.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/decode/list_decoder.h"
#include "cuda/decode/tile_decoder.h"
#include "cuda/decode/visit_block.h"
#include "cuda/decode/words.h"
#include "cuda/device/bf16.h"

namespace gesso::cuda {

struct RemainingDecoder {
  static constexpr int kSpanColumns = 256;
  static constexpr int kMaxSpanBytes = 110;  // the largest: Q3_K and IQ3_S
  static constexpr int kAlignment = 1;
  static constexpr int kPasses = 1;
  static constexpr bool kHasCodes = false;

  __device__ explicit RemainingDecoder(DType dtype) : dtype_(dtype) {
    visit_block<RemainingTypes>(dtype, [this]<typename Block>(Block) {
      span_bytes_ = kSpanColumns / Block::kNumElements * static_cast<int>(sizeof(Block));
    });
  }
  __device__ int span_bytes() const { return span_bytes_; }

  __device__ void decode(StoredBytes span, int unit, uint32_t (&out)[16]) const {
    float values[kUnitColumns];
    visit_block<RemainingTypes>(dtype_, [&]<typename Block>(Block) {
      constexpr int kUnits = Block::kNumElements / kUnitColumns;  // of a block
      decode_part(reinterpret_cast<const Block*>(span.at)[unit / kUnits], unit % kUnits, values);
    });
#pragma unroll
    for (int i = 0; i < 16; ++i) out[i] = pack_bf16(values[2 * i], values[2 * i + 1]);
  }

 private:
  DType dtype_;
  int span_bytes_ = 0;
};

// As the function for the other lists, this calls use(DecoderType<RemainingDecoder>()).
template <typename Use>
void with_decoder_of(RemainingTypes, DType dtype, const Use& use) {
  check(RemainingTypes::has(dtype), "no decoder reads ", dtype_name(dtype));
  use(DecoderType<RemainingDecoder>());
}

}  // namespace gesso::cuda
