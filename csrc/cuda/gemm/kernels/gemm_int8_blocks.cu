// int8 rows times weights in blocks of 32 or 64 elements.
#include "cuda/decode/blocks.h"
#include "cuda/gemm/kernels/gemm_int8.cuh"

namespace gesso::cuda {

constinit const GemmCode kGemmInt8Blocks = GemmInt8<BlockTypes>::kCode;

}  // namespace gesso::cuda
