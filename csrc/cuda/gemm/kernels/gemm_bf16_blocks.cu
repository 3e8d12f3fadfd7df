// bf16 rows times weights in blocks of 32 or 64 elements.
#include "cuda/decode/blocks.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

constinit const GemmCode kGemmBF16Blocks = GemmBf16<BlockTypes>::kCode;

}  // namespace gesso::cuda
