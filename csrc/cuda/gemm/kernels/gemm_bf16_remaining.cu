// bf16 rows times weights of the types that share one decoder.
#include "cuda/decode/remaining.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

constinit const GemmCode kGemmBF16Remaining = GemmBf16<RemainingTypes>::kCode;

}  // namespace gesso::cuda
