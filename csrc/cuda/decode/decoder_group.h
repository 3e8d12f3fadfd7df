// Types whose kernels are alike enough to be compiled in one file. Host code.
#pragma once

#include "core/dtype.h"

namespace gesso::cuda {

enum class DecoderGroup { kFloats, kBlocks, kSuperBlocks, kRemaining };

inline DecoderGroup decoder_group(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return DecoderGroup::kFloats;
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
    case DType::kIQ4_NL:
    case DType::kMXFP4:
    case DType::kNVFP4:
      return DecoderGroup::kBlocks;
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
    case DType::kIQ4_XS:
      return DecoderGroup::kSuperBlocks;
    default:
      return DecoderGroup::kRemaining;
  }
}

// Whether the type is stored as integers with a scale per 16 or 32 elements: what int8 products need.
inline bool has_codes(DType dtype) {
  const DecoderGroup group = decoder_group(dtype);
  return group == DecoderGroup::kBlocks || group == DecoderGroup::kSuperBlocks;
}

}  // namespace gesso::cuda
