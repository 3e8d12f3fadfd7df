#include "cuda/gemm/gemm_code.h"

#include "core/check.h"

namespace gesso::cuda {
namespace {

const GemmCode* find_code(GemmKernel kernel, DType weight) {
  const bool is_block = BlockTypes::has(weight), is_super_block = SuperBlockTypes::has(weight);
  switch (kernel) {
    case GemmKernel::kMmaBF16:
      if (FloatTypes::has(weight)) return &kGemmBF16Floats;
      if (RemainingTypes::has(weight)) return &kGemmBF16Remaining;
      return is_block ? &kGemmBF16Blocks : is_super_block ? &kGemmBF16SuperBlocks : nullptr;
    case GemmKernel::kMmaInt8:
      return is_block ? &kGemmInt8Blocks : is_super_block ? &kGemmInt8SuperBlocks : nullptr;
    case GemmKernel::kMmaFp4:
      return &kGemmFp4;  // it refuses other types of weights itself
    case GemmKernel::kWgmmaBF16:
      return WgmmaTypes::has(weight) ? &kGemmWgmma : nullptr;
    case GemmKernel::kWgmmaExperts:
      return FragmentTypes::has(weight) ? &kGemmExperts : nullptr;
  }
  return nullptr;
}

}  // namespace

const GemmCode& gemm_code(GemmKernel kernel, DType weight) {
  const GemmCode* code = find_code(kernel, weight);
  check(code != nullptr, "a GPU has no product for weights of ", dtype_name(weight));
  return *code;
}

}  // namespace gesso::cuda
