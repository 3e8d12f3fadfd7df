// Starting a matrix kernel.
#pragma once

#include <cstdint>

#include "cuda/gemm/gemm_arguments.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// Rows of x in a tile. Narrow: for experts. Of 256 rows 16 go to each of 128 experts in the mean, and seldom more than
// 24; two blocks fit where a multiprocessor has 100 KB of shared memory. Wide: for many rows, so that decoding a weight
// pays.
constexpr int kNarrowRows = 24;
constexpr int kWideRows = 128;

// What every supported GPU lets a block have, and what of it is left to the list of the experts' tiles: as many experts
// fit on all of them.
constexpr int kMaxGemmSharedBytes = 99 * 1024;
constexpr int kWorkListRoom = 1024;

// Shared memory that a WorkList takes.
inline int64_t work_list_bytes(const GemmArguments& arguments) {
  return arguments.num_experts == 0 ? 0 : (arguments.num_experts + 1 + kGemmThreads / 32) * sizeof(int32_t);
}

struct GemmLaunch {
  const char* name;  // the op's
  Queue& queue;
  bool is_wide;  // tiles of kWideRows
  const GemmArguments& arguments;
};

// Blocks: one for each tile, but with experts no more than run at a time. It depends on sizes alone, not on which
// experts have rows: a recorded launch serves every step.
int gemm_grid(const GemmLaunch& gemm, int tile_rows, int64_t shared_bytes);

// By type of x and group of the weight's type; each in a file of its own.
void gemm_bf16_floats(const GemmLaunch& gemm);
void gemm_bf16_blocks(const GemmLaunch& gemm);
void gemm_bf16_super_blocks(const GemmLaunch& gemm);
void gemm_bf16_remaining(const GemmLaunch& gemm);
void gemm_int8_blocks(const GemmLaunch& gemm);
void gemm_int8_super_blocks(const GemmLaunch& gemm);

// out from partial sums, in the order of the splits.
void finish_partials(const GemmLaunch& gemm);

}  // namespace gesso::cuda
