// bf16 rows times weights in super-blocks.
#include "cuda/decode/super_blocks.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

constinit const GemmCode kGemmBF16SuperBlocks = GemmBf16<SuperBlockTypes>::kCode;

}  // namespace gesso::cuda
