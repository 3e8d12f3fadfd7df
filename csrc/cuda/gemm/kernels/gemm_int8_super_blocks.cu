// int8 rows times weights in super-blocks.
#include "cuda/decode/super_blocks.h"
#include "cuda/gemm/kernels/gemm_int8.cuh"

namespace gesso::cuda {

void gemm_int8_super_blocks(const GemmLaunch& gemm) {
  with_super_block_decoder(gemm.arguments.dtype,
                           [&](auto type) { launch_gemm_int8<typename decltype(type)::Decoder>(gemm); });
}

}  // namespace gesso::cuda
