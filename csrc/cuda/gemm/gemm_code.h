// The compiled code of the matrix kernels: which types it exists for, how much shared memory it needs, how it is
// started.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_plan.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// The types that kWgmmaBF16 is compiled for, those of large matrices in published files. Other types use kMmaBF16.
using WgmmaTypes = DTypeList<DType::kBF16, DType::kQ4_0, DType::kQ5_0, DType::kQ8_0, DType::kMXFP4, DType::kNVFP4,
                             DType::kQ4_K, DType::kQ5_K, DType::kQ6_K>;

// How many groups of 128 threads a block of kWgmmaBF16 may have. Each has 64 weight rows. The more groups, the less
// often the rows of x come through the L2 cache. But with fewer the blocks may fill the device better.
constexpr int kFewWgmmaGroups = 3, kWgmmaGroups = 4;

// The steps of a span of weights, which kWgmmaBF16 copies at once. Only a split that begins with a span needs no bytes
// of the one before it.
constexpr int wgmma_span_steps(DType dtype) {
  if (dtype == DType::kBF16) return 1;
  return dtype == DType::kQ5_0 || dtype == DType::kQ8_0 ? 2 : 4;
}

// The same of kWgmmaExperts. With narrow tiles two blocks share a multiprocessor: while one begins a tile or stores it,
// the other one multiplies. In a wide tile one group decodes while the products of the other one run.
constexpr int kExpertGroups = 2, kExpertThreads = kExpertGroups * kGemmThreads;

// Every supported GPU lets a block have this much shared memory. kWorkListRoom of it is left for the list of the
// experts' tiles, so that the same number of experts fits on all GPUs.
constexpr int kMaxGemmSharedBytes = 99 * 1024;
constexpr int kWorkListRoom = 1024;

// The shared memory that this list takes (gemm_work.cuh): where each expert's tiles begin, and a sum per warp.
constexpr int64_t work_list_bytes(int num_experts, int tile_rows) {
  return num_experts == 0 ? 0 : (num_experts + 1 + gemm_threads(tile_rows) / 32) * int64_t{sizeof(int32_t)};
}

struct GemmLaunch {
  const char* name;  // the name of the op, for errors
  const Queue& queue;
  const GemmPlan& plan;
  const GemmArguments& arguments;
};

struct GemmCode {
  // The shared memory of a block, without the list of the experts' tiles. Of `tiles`, rows and groups are set.
  int64_t (*shared_bytes)(DType weight, RowFormat rows, const GemmTiles& tiles);
  // Starts the kernel as the plan says.
  void (*launch)(const GemmLaunch& gemm);
};

// The code of a kernel for a type of weights. ArgumentError where there is none.
const GemmCode& gemm_code(GemmKernel kernel, DType weight);

// One for each kernel and list of types. Each is compiled in a file of its own.
extern const GemmCode kGemmBF16Floats;
extern const GemmCode kGemmBF16Blocks;
extern const GemmCode kGemmBF16SuperBlocks;
extern const GemmCode kGemmBF16Remaining;
extern const GemmCode kGemmInt8Blocks;
extern const GemmCode kGemmInt8SuperBlocks;
extern const GemmCode kGemmFp4;
extern const GemmCode kGemmWgmma;
extern const GemmCode kGemmExperts;

}  // namespace gesso::cuda
