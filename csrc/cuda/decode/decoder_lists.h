// Which decoder a format has on a GPU. The formats of one list are alike enough for their kernels to be compiled in one
// file. with_decoder.h compares these lists with quant::AllBlocks. A format that is in no list, or in two, does not
// compile.
#pragma once

#include "core/dtype.h"

namespace gesso::cuda {

// A list of types, handed to functions as a value: DTypeList<DType::kF32, DType::kF16>{}.
template <DType... kTypes>
struct DTypeList {
  static constexpr int kCount = sizeof...(kTypes);
  static constexpr bool has(DType dtype) { return ((dtype == kTypes) || ...); }
};

// Numbers without blocks: floats.h.
using FloatTypes = DTypeList<DType::kF32, DType::kF16, DType::kBF16>;
// Blocks of 32 or 64 elements: blocks.h.
using BlockTypes = DTypeList<DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kIQ4_NL,
                             DType::kMXFP4, DType::kNVFP4>;
// Blocks of 256 elements: super_blocks.h.
using SuperBlockTypes = DTypeList<DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_XS>;
// All formats that have no decoder of their own, and share a slower one: remaining.h.
using RemainingTypes =
    DTypeList<DType::kQ1_0, DType::kQ2_0, DType::kQ2_K, DType::kQ3_K, DType::kIQ1_S, DType::kIQ1_M, DType::kIQ2_XXS,
              DType::kIQ2_XS, DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S, DType::kTQ1_0, DType::kTQ2_0>;

// The types that half_fragments.h decodes to f16: those of experts in published files.
using FragmentTypes = DTypeList<DType::kQ5_0, DType::kQ8_0, DType::kNVFP4, DType::kQ4_K, DType::kQ6_K>;

// Those whose rows of x have the even columns of every 16 first (gemm/pack/half_rows.h).
using EvensFirstTypes = DTypeList<DType::kNVFP4, DType::kQ4_K>;

// Whether the decoder gives integers with a scale for 16 or 32 elements (codes.h). int8 products need them.
constexpr bool has_codes(DType dtype) { return BlockTypes::has(dtype) || SuperBlockTypes::has(dtype); }

}  // namespace gesso::cuda
