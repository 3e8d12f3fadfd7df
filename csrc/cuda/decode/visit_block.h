// From a type known at run time to the struct of its blocks, for all types that can be computed with.
#pragma once

#include "core/dtype.h"
#include "cuda/decode/remaining.h"
#include "quant/blocks/bf16.h"
#include "quant/blocks/f16.h"
#include "quant/blocks/f32.h"
#include "quant/blocks/iq4_nl.h"
#include "quant/blocks/mxfp4.h"
#include "quant/blocks/nvfp4.h"
#include "quant/blocks/q4_0.h"
#include "quant/blocks/q4_1.h"
#include "quant/blocks/q5_0.h"
#include "quant/blocks/q5_1.h"
#include "quant/blocks/q8_0.h"
#include "quant/super_blocks/iq4_xs.h"
#include "quant/super_blocks/q4_k.h"
#include "quant/super_blocks/q5_k.h"
#include "quant/super_blocks/q6_k.h"

namespace gesso::cuda {

// Calls visit with a block of the type `dtype`. Its content means nothing.
template <typename Visit>
__device__ inline void visit_block(DType dtype, const Visit& visit) {
  // clang-format off
  switch (dtype) {
    case DType::kF32:    return visit(quant::BlockF32{});
    case DType::kF16:    return visit(quant::BlockF16{});
    case DType::kBF16:   return visit(quant::BlockBF16{});
    case DType::kQ8_0:   return visit(quant::BlockQ8_0{});
    case DType::kQ4_0:   return visit(quant::BlockQ4_0{});
    case DType::kQ4_1:   return visit(quant::BlockQ4_1{});
    case DType::kQ5_0:   return visit(quant::BlockQ5_0{});
    case DType::kQ5_1:   return visit(quant::BlockQ5_1{});
    case DType::kQ4_K:   return visit(quant::BlockQ4_K{});
    case DType::kQ5_K:   return visit(quant::BlockQ5_K{});
    case DType::kQ6_K:   return visit(quant::BlockQ6_K{});
    case DType::kIQ4_NL: return visit(quant::BlockIQ4_NL{});
    case DType::kIQ4_XS: return visit(quant::BlockIQ4_XS{});
    case DType::kMXFP4:  return visit(quant::BlockMXFP4{});
    case DType::kNVFP4:  return visit(quant::BlockNVFP4{});
    default:             return visit_remaining(dtype, visit);
  }
  // clang-format on
}

}  // namespace gesso::cuda
