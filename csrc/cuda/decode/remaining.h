// One decoder for all formats that have none of their own, by the code that the CPU uses: slower than those, and one
// kernel for all of them.
#pragma once

#include "core/dtype.h"
#include "cuda/decode/tile_decoder.h"
#include "cuda/device/bf16.h"
#include "quant/blocks/q1_0.h"
#include "quant/blocks/q2_0.h"
#include "quant/codebooks/iq1_m.h"
#include "quant/codebooks/iq1_s.h"
#include "quant/codebooks/iq2_s.h"
#include "quant/codebooks/iq2_xs.h"
#include "quant/codebooks/iq2_xxs.h"
#include "quant/codebooks/iq3_s.h"
#include "quant/codebooks/iq3_xxs.h"
#include "quant/super_blocks/q2_k.h"
#include "quant/super_blocks/q3_k.h"
#include "quant/super_blocks/tq1_0.h"
#include "quant/super_blocks/tq2_0.h"

namespace gesso::cuda {

// Calls visit with a block of the type `dtype`, which is one of the remaining ones. Its content means nothing.
template <typename Visit>
__device__ inline void visit_remaining(DType dtype, const Visit& visit) {
  // clang-format off
  switch (dtype) {
    case DType::kQ1_0:    return visit(quant::BlockQ1_0{});
    case DType::kQ2_0:    return visit(quant::BlockQ2_0{});
    case DType::kQ2_K:    return visit(quant::BlockQ2_K{});
    case DType::kQ3_K:    return visit(quant::BlockQ3_K{});
    case DType::kIQ1_S:   return visit(quant::BlockIQ1_S{});
    case DType::kIQ1_M:   return visit(quant::BlockIQ1_M{});
    case DType::kIQ2_XXS: return visit(quant::BlockIQ2_XXS{});
    case DType::kIQ2_XS:  return visit(quant::BlockIQ2_XS{});
    case DType::kIQ2_S:   return visit(quant::BlockIQ2_S{});
    case DType::kIQ3_XXS: return visit(quant::BlockIQ3_XXS{});
    case DType::kIQ3_S:   return visit(quant::BlockIQ3_S{});
    case DType::kTQ1_0:   return visit(quant::BlockTQ1_0{});
    default:              return visit(quant::BlockTQ2_0{});
  }
  // clang-format on
}

struct RemainingDecoder {
  static constexpr int kSpanColumns = 256;
  static constexpr int kMaxSpanBytes = 110;  // Q3_K, IQ3_S
  static constexpr int kAlignment = 1;
  static constexpr int kPasses = 1;
  static constexpr bool kHasCodes = false;

  __device__ explicit RemainingDecoder(DType dtype) : dtype_(dtype) {
    visit_remaining(dtype, [this]<typename Block>(Block) {
      span_bytes_ = kSpanColumns / Block::kNumElements * static_cast<int>(sizeof(Block));
    });
  }
  __device__ int span_bytes() const { return span_bytes_; }

  __device__ void decode(const uint8_t* span, int unit, uint32_t (&out)[16]) const {
    float values[kUnitColumns];
    visit_remaining(dtype_, [&]<typename Block>(Block) {
      constexpr int kUnits = Block::kNumElements / kUnitColumns;  // of a block
      decode_part(reinterpret_cast<const Block*>(span)[unit / kUnits], unit % kUnits, values);
    });
#pragma unroll
    for (int i = 0; i < 16; ++i) out[i] = pack_bf16(values[2 * i], values[2 * i + 1]);
  }

 private:
  DType dtype_;
  int span_bytes_ = 0;
};

}  // namespace gesso::cuda
