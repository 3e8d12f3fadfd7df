// bf16 rows times F32, F16 and BF16 weights; those of F32 are split.
#include "cuda/decode/floats.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

void gemm_bf16_floats(const GemmLaunch& gemm) {
  if (gemm.arguments.dtype == DType::kF32) return launch_gemm_bf16<SplitDecoder>(gemm);
  if (gemm.arguments.dtype == DType::kF16) return launch_gemm_bf16<TileDecoder<DType::kF16>>(gemm);
  return launch_gemm_bf16<TileDecoder<DType::kBF16>>(gemm);
}

}  // namespace gesso::cuda
