// bf16 rows times weights of the types that share a decoder.
#include "cuda/decode/remaining.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

void gemm_bf16_remaining(const GemmLaunch& gemm) { launch_gemm_bf16<RemainingDecoder>(gemm); }

}  // namespace gesso::cuda
