// int8 rows times weights in blocks of 32 or 64 elements.
#include "cuda/decode/blocks.h"
#include "cuda/gemm/kernels/gemm_int8.cuh"

namespace gesso::cuda {

void gemm_int8_blocks(const GemmLaunch& gemm) {
  with_block_decoder(gemm.arguments.dtype,
                     [&](auto type) { launch_gemm_int8<typename decltype(type)::Decoder>(gemm); });
}

}  // namespace gesso::cuda
