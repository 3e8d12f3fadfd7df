// bf16 rows times F32, F16 and BF16 weights. F32 weights are split into two bf16 each.
#include "cuda/decode/floats.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

constinit const GemmCode kGemmBF16Floats = GemmBf16<FloatTypes>::kCode;

}  // namespace gesso::cuda
