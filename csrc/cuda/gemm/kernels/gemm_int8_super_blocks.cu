// int8 rows times weights in super-blocks.
#include "cuda/decode/super_blocks.h"
#include "cuda/gemm/kernels/gemm_int8.cuh"

namespace gesso::cuda {

constinit const GemmCode kGemmInt8SuperBlocks = GemmInt8<SuperBlockTypes>::kCode;

}  // namespace gesso::cuda
