// The matrix kernel for rows of bf16 on sm_90, with the instructions of a warpgroup. Weights go from shared memory to
// registers and are decoded there, as in gemm_experts_wgmma_sm90a.cu.
//
// A block has three or four warpgroups, each with 64 weight rows of its own. They share 128 rows of x: the more weight
// rows, the less often the rows of x come through the L2 cache. Raw weights and rows of x are copied ahead, two steps
// of 64 columns at a time. There is one barrier for these two steps. Between barriers the warps go their own ways:
// while the products of some run, others decode. With many rows of x the matrix units bound the speed, with few the
// bytes of the weights.
#include <type_traits>

#include "core/check.h"
#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/kernels/gemm_store.cuh"
#include "cuda/gemm/kernels/wgmma_tiles.cuh"

namespace gesso::cuda {
namespace {

// The tile that a block computes; weight_tile is the first of its groups'. x of the grid counts tiles; those with the
// same weights and other rows of x follow one another. y of the grid counts splits.
template <int kRows, int kGroups>
__device__ TileWork block_work(const GemmArguments& arguments) {
  const int num_row_tiles = (arguments.num_rows + kRows - 1) / kRows;
  const int block = block_index_anew();
  TileWork work;
  work.weight_tile = block / num_row_tiles * kGroups;
  work.first_row = block % num_row_tiles * kRows;
  work.num_rows = arguments.num_rows - work.first_row < kRows ? arguments.num_rows - work.first_row : kRows;
  work.split = static_cast<int>(blockIdx.y);
  work.first_step = work.split * arguments.steps_per_split;
  work.end_step = work.first_step + arguments.steps_per_split;
  if (work.end_step > arguments.num_steps) work.end_step = arguments.num_steps;
  return work;
}

// The part of the calling warpgroup. One whose tile lies behind the last weights has no rows: it only copies rows for
// the others and takes part in the barriers.
__device__ inline TileWork group_work(const GemmArguments& arguments, TileWork work) {
  work.weight_tile += thread_index_anew() / kGemmThreads;
  if (work.weight_tile >= arguments.num_weight_tiles()) work.num_rows = 0;
  return work;
}

// Computes the sums of one tile over its steps. There is at least one.
template <DType kFormat, int kRows, int kGroups>
__device__ inline void multiply_tile(const GemmArguments& arguments, const TileWork& block, uint8_t* shared,
                                     float (&sums)[kRows / 2]) {
  using Memory = WgmmaMemory<kFormat, kRows, kGroups>;
  const TileWork work = group_work(arguments, block);
  WgmmaRows<Memory> rows(arguments, block, shared + Memory::kRowsBegin);
  WgmmaWeights<Memory> weights(arguments, work, shared + Memory::kRawBegin, shared + Memory::kScalesBegin);
  const bool has_weights = work.num_rows > 0;
  RingPosition<Memory::kRowSlots> stage;
  const auto span_slot = [](int step) { return ring_slot<Memory::kRawSlots>(step / Memory::kSpanSteps); };
  // Copies the span that begins with a step, if the tile has it.
  const auto copy_weights = [&](int step) {
    if (has_weights && step < work.end_step) weights.copy(span_slot(step), arguments.num_columns - step * kStepColumns);
  };
  bool has_sums = false;
  const auto multiply_stage = [&](int span, int of_span) {
    const WgmmaOperand stage_rows = of_warp(rows.operand(stage.slot()));
#pragma unroll
    for (int i = 0; i < Memory::kStageSteps; ++i) {
      const int step = span + of_span + i;
      if (!Memory::Fragments::kWholeSpans && step >= work.end_step) break;
      uint32_t a[4][4];
      weights.decode(span_slot(span), of_span + i, arguments.num_columns - step * kStepColumns, a);
      wgmma_fence();
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        wgmma_bf16(sums, a[q], further_on(stage_rows, i * Memory::kStepBytes + 32 * q), has_sums || q > 0);
      }
      has_sums = true;
      wgmma_commit();
      wgmma_wait<0>();
    }
  };
  copy_weights(work.first_step);
#pragma unroll
  for (int i = 0; i < Memory::kRowSlots - 1; ++i) {
    rows.copy(i, work.first_step + i * Memory::kStageSteps);
    commit_copies();
  }
  for (int span = work.first_step; span < work.end_step; span += Memory::kSpanSteps) {
#pragma unroll
    for (int of_span = 0; of_span < Memory::kSpanSteps; of_span += Memory::kStageSteps) {
      const int step = span + of_span;
      if (!Memory::Fragments::kWholeSpans && step >= work.end_step) break;
      wait_copies<Memory::kInFlight>();
      fence_async_proxy();
      sync_block();  // the stage has arrived, and all threads are done with the one before
      rows.copy(stage.free_slot(), step + (Memory::kRowSlots - 1) * Memory::kStageSteps);
      if (of_span == 0) copy_weights(span + Memory::kSpanSteps);
      commit_copies();
      if (has_weights) {
        if (of_span == 0) weights.prepare(span_slot(span));
        multiply_stage(span, of_span);
      }
      stage.advance();
    }
    weights.advance();
  }
  if (has_weights) wgmma_finish(sums);
}

// out = W x^T in tiles of kGroups * 64 by kRows, see gemm_arguments.h.   grid: see block_work; shared WgmmaMemory.
// ptxas: <= 168 registers; HGMMA, LDGSTS
template <DType kFormat, int kRows, int kGroups>
__global__ void __launch_bounds__(kGroups* kGemmThreads, 1) gemm_wgmma_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  float sums[kRows / 2];  // of a group without rows they are not set, and nobody stores them
  multiply_tile<kFormat, kRows, kGroups>(arguments, block_work<kRows, kGroups>(arguments), shared, sums);
  // The tile is found anew. To keep it would take registers that the loop needs.
  store_group_sums<kRows, kGroups>(arguments, group_work(arguments, block_work<kRows, kGroups>(arguments)), sums);
}

template <DType kFormat, int kRows, int kGroups>
void launch_gemm_wgmma(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name, {dim3(tiles.grid_x, tiles.grid_y), tiles.threads, tiles.shared_bytes, gemm.queue.stream()},
         gemm_wgmma_kernel<kFormat, kRows, kGroups>, gemm.arguments);
}

// Calls use(integral_constant<type>, integral_constant<rows>, integral_constant<groups>) for the type of the list that
// `dtype` is, and the rows and groups of a tile.
template <DType... kTypes, typename Use>
void with_type_and_size(DTypeList<kTypes...>, DType dtype, const GemmTiles& tiles, const Use& use) {
  const auto with_groups = [&](auto type, auto rows) {
    tiles.groups == kWgmmaGroups ? use(type, rows, std::integral_constant<int, kWgmmaGroups>())
                                 : use(type, rows, std::integral_constant<int, kFewWgmmaGroups>());
  };
  const auto with_rows = [&](auto type) {
    tiles.rows == kWgmmaRows ? with_groups(type, std::integral_constant<int, kWgmmaRows>())
                             : with_groups(type, std::integral_constant<int, kFewWgmmaRows>());
  };
  const bool is_found = ((dtype == kTypes && (with_rows(std::integral_constant<DType, kTypes>()), true)) || ...);
  check(is_found, "warpgroups multiply no ", dtype_name(dtype));
}

int64_t wgmma_shared_bytes(DType weight, RowFormat, const GemmTiles& tiles) {
  int64_t bytes = 0;
  with_type_and_size(WgmmaTypes{}, weight, tiles,
                     [&](auto type, auto rows, auto groups) { bytes = WgmmaMemory<type, rows, groups>::kBytes; });
  return bytes + kSwizzledTileAlignment;
}

void launch_wgmma(const GemmLaunch& gemm) {
  with_type_and_size(WgmmaTypes{}, gemm.arguments.dtype, gemm.plan.tiles,
                     [&](auto type, auto rows, auto groups) { launch_gemm_wgmma<type, rows, groups>(gemm); });
}

}  // namespace

constinit const GemmCode kGemmWgmma = {wgmma_shared_bytes, launch_wgmma};

}  // namespace gesso::cuda
