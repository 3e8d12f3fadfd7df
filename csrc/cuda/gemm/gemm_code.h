// The compiled code of the matrix kernels: for which types there is some, what shared memory it needs, how it starts.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_plan.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// What kWgmmaBF16 is compiled for: the types of large matrices in published files. The others use kMmaBF16 there, too.
using WgmmaTypes = DTypeList<DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kMXFP4, DType::kNVFP4, DType::kQ4_K,
                             DType::kQ5_K, DType::kQ6_K>;

// Groups of 128 threads in a block of kWgmmaBF16, with 64 weight rows each.
constexpr int kWgmmaGroups = 2;

// What every supported GPU lets a block have. kWorkListRoom of it is left to the list of the experts' tiles, so that as
// many experts fit on all GPUs.
constexpr int kMaxGemmSharedBytes = 99 * 1024;
constexpr int kWorkListRoom = 1024;

// Shared memory of that list (gemm_work.cuh): where each expert's tiles begin, and a sum per warp.
constexpr int64_t work_list_bytes(int num_experts) {
  return num_experts == 0 ? 0 : (num_experts + 1 + kGemmThreads / 32) * static_cast<int64_t>(sizeof(int32_t));
}

struct GemmLaunch {
  const char* name;  // the op's
  const Queue& queue;
  const GemmPlan& plan;
  const GemmArguments& arguments;
};

struct GemmCode {
  // Of a block with tiles of `tile_rows` rows, without the list of the experts' tiles.
  int64_t (*shared_bytes)(DType weight, RowFormat rows, int tile_rows);
  // Starts what the plan says.
  void (*launch)(const GemmLaunch& gemm);
};

// Of a kernel for a type of weights. ArgumentError where there is none.
const GemmCode& gemm_code(GemmKernel kernel, DType weight);

// By kernel and list of types; each in a file of its own.
extern const GemmCode kGemmBF16Floats;
extern const GemmCode kGemmBF16Blocks;
extern const GemmCode kGemmBF16SuperBlocks;
extern const GemmCode kGemmBF16Remaining;
extern const GemmCode kGemmInt8Blocks;
extern const GemmCode kGemmInt8SuperBlocks;
extern const GemmCode kGemmFp4;
extern const GemmCode kGemmWgmma;

// Makes out from the sums of the splits, which it adds in their order.
void finish_partials(const GemmLaunch& gemm);

}  // namespace gesso::cuda
