// Which tiles a block computes. A grid may have fewer blocks than there are tiles: of 100 blocks, block 3 takes the
// tiles 3, 103, 203, ..., but neighbouring ones where a block keeps what they share. Only the device knows how many
// rows each expert has, so every block finds its tiles by itself.
#pragma once

#include "cuda/block/scan.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gemm_arguments.h"

namespace gesso::cuda {

struct TileWork {
  int expert = 0;
  int weight_tile = 0;
  int first_row = 0;  // the tile's first row of out
  int num_rows = 0;   // at most kRows
  int split = 0;
  int first_step = 0, end_step = 0;
};

// All tiles of a product. Each has at most kRows rows of x, and kWeightTiles tiles of 64 weight rows: weight_tile is
// the first of them.
template <int kRows, int kWeightTiles = 1>
class WorkList {
 public:
  // `shared` has work_list_bytes bytes. All threads of the block take part.
  __device__ WorkList(const GemmArguments& arguments, int32_t* shared)
      : WorkList(arguments, shared, shared + arguments.num_experts + 1) {}
  // The same in a block of more than kGemmThreads threads. `scratch` is one value per warp in shared memory. It is not
  // used after the call.
  __device__ WorkList(const GemmArguments& arguments, int32_t* shared, int32_t* scratch)
      : arguments_(arguments), tile_begin_(shared) {
    if (arguments.num_experts == 0) {
      num_row_tiles_ = (arguments.num_rows + kRows - 1) / kRows;
    } else {
      count_expert_tiles(scratch);
    }
  }

  __device__ int size() const { return num_row_tiles_ * num_weight_tiles() * arguments_.num_splits; }

  // The tiles of a product with experts follow one another by rows of x. This is the first tile behind `index` that has
  // other rows.
  __device__ int end_of_rows(int index) const { return (index / num_weight_tiles() + 1) * num_weight_tiles(); }

  __device__ TileWork operator[](int index) const {
    TileWork work;
    if (arguments_.num_experts == 0) {
      // Tiles with the same weight rows follow one another. The first one reads them from memory, and the others find
      // them in the L2 cache.
      work.first_row = index % num_row_tiles_ * kRows;
      work.num_rows = min_of(kRows, arguments_.num_rows - work.first_row);
      index /= num_row_tiles_;
      work.weight_tile = index % num_weight_tiles() * kWeightTiles;
      work.split = index / num_weight_tiles();
    } else {
      work.weight_tile = index % num_weight_tiles() * kWeightTiles;
      find_expert(index / num_weight_tiles(), work);
    }
    work.first_step = work.split * arguments_.steps_per_split;
    work.end_step = min_of(arguments_.num_steps, work.first_step + arguments_.steps_per_split);
    return work;
  }

 private:
  __device__ static int min_of(int a, int b) { return a < b ? a : b; }

  __device__ int num_weight_tiles() const { return (arguments_.num_weight_tiles() + kWeightTiles - 1) / kWeightTiles; }

  __device__ int rows_of(int expert) const {
    return arguments_.expert_offsets[expert + 1] - arguments_.expert_offsets[expert];
  }

  // Sets tile_begin_[e] to the number of row tiles that the experts before e have.
  __device__ void count_expert_tiles(int32_t* scratch) {
    const int each = (arguments_.num_experts + kGemmThreads - 1) / kGemmThreads;
    const int first = static_cast<int>(threadIdx.x) * each;
    const int end = min_of(first + each, arguments_.num_experts);
    int tiles = 0;
    for (int e = first; e < end; ++e) tiles += (rows_of(e) + kRows - 1) / kRows;
    const RunningSum sum = block_running_sum(tiles, scratch);
    int begin = sum.before;
    for (int e = first; e < end; ++e) {
      tile_begin_[e] = begin;
      begin += (rows_of(e) + kRows - 1) / kRows;
    }
    if (threadIdx.x == 0) tile_begin_[arguments_.num_experts] = sum.total;
    num_row_tiles_ = sum.total;
    sync_block();
  }

  // Finds the expert that the row tile `tile` belongs to: the last one whose tiles begin at or before it.
  __device__ void find_expert(int tile, TileWork& work) const {
    int low = 0, high = arguments_.num_experts - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (tile_begin_[middle] <= tile) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    work.expert = low;
    work.first_row = arguments_.expert_offsets[low] + (tile - tile_begin_[low]) * kRows;
    work.num_rows = min_of(kRows, arguments_.expert_offsets[low + 1] - work.first_row);
  }

  const GemmArguments& arguments_;
  int32_t* tile_begin_;
  int num_row_tiles_ = 0;
};

}  // namespace gesso::cuda
