// bf16 rows times weights in blocks of 32 or 64 elements.
#include "cuda/decode/blocks.h"
#include "cuda/gemm/kernels/gemm_bf16.cuh"

namespace gesso::cuda {

void gemm_bf16_blocks(const GemmLaunch& gemm) {
  with_block_decoder(gemm.arguments.dtype,
                     [&](auto type) { launch_gemm_bf16<typename decltype(type)::Decoder>(gemm); });
}

}  // namespace gesso::cuda
