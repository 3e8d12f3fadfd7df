// bf16 rows times weights in super-blocks.
#include "cuda/decode/super_blocks.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

void gemm_bf16_super_blocks(const GemmLaunch& gemm) {
  with_super_block_decoder(gemm.arguments.dtype,
                           [&](auto type) { launch_gemm_bf16<typename decltype(type)::Decoder>(gemm); });
}

}  // namespace gesso::cuda
