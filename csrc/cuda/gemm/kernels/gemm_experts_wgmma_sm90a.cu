// The matrix kernel for experts on sm_90, for rows of bf16. Weights go from shared memory to registers, are decoded
// there, and are multiplied by the instructions of a warpgroup.
//
// A block has two or four warpgroups, each with 64 weight rows of its own. They share the rows of x. Raw weights and
// rows of x are copied two stages ahead; with few rows of x a stage is a span of columns. There is one barrier per
// stage. Between barriers the warps go their own ways: while the products of some run, others decode. (Every warp
// copies. Warps that did nothing else would save no instruction, and would need registers.)
#include <type_traits>

#include "core/check.h"
#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/blocks.h"
#include "cuda/decode/fragments.h"
#include "cuda/decode/super_blocks.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/expert_tiles.cuh"
#include "cuda/gemm/kernels/gemm_store.cuh"

namespace gesso::cuda {
namespace {

__device__ inline int group_index() { return static_cast<int>(threadIdx.x) / kGemmThreads; }

// The calling warpgroup's part of a block's work.
__device__ inline TileWork group_work(TileWork work) {
  work.weight_tile += group_index();
  return work;
}

// Groups behind the last tile of weights only copy rows and take part in the barriers.
__device__ inline bool is_idle(const GemmArguments& arguments, const TileWork& work) {
  return work.weight_tile >= arguments.num_weight_tiles();
}

// Computes the sums of one tile. There is at least one step.
template <DType kFormat, int kRows>
__device__ inline void multiply_tile(const GemmArguments& arguments, const TileWork& work, uint8_t* shared,
                                     float (&sums)[kRows / 2]) {
  using Memory = ExpertMemory<kFormat, kRows>;
  const int thread = thread_index_anew();
  ExpertRows<Memory, kRows> rows(arguments, work, thread, shared + Memory::kRowsBegin);
  ExpertWeights<Memory> weights(
      arguments, work, thread,
      shared + Memory::kRawBegin + thread / kGemmThreads * Memory::kRawSlots * Memory::kRawSlotBytes,
      shared + Memory::kScalesBegin + thread / kWarpSize * Memory::kScaleBytes);
  const bool has_weights = !is_idle(arguments, work);
  RingPosition<Memory::kRowSlots> stage;
  RingPosition<Memory::kRawSlots> span;
  // Copies the span that begins with a step, if it is there.
  const auto copy_weights = [&](int slot, int step) {
    const int columns = arguments.num_columns - step * kStepColumns;
    if (has_weights && columns > 0) weights.copy(slot, columns);
  };
#pragma unroll
  for (int i = 0; i < Memory::kRowSlots - 1; ++i) {
    rows.copy(i, i * Memory::kStageSteps);
    if (i < Memory::kRawSlots - 1) copy_weights(i, i * Memory::kSpanSteps);
    commit_copies();
  }
  for (int step = 0; step < arguments.num_steps; step += Memory::kStageSteps) {
    wait_copies<Memory::kInFlight>();
    fence_async_proxy();
    sync_block();  // the stage has arrived, and all threads are done with the one before
    const int step_of_span = ring_slot<Memory::kSpanSteps>(step);
    rows.copy(stage.free_slot(), step + (Memory::kRowSlots - 1) * Memory::kStageSteps);
    if (step_of_span == 0) copy_weights(span.free_slot(), step + (Memory::kRawSlots - 1) * Memory::kSpanSteps);
    commit_copies();
    if (has_weights) {
      if (step_of_span == 0) weights.prepare(span.slot());
      const WgmmaOperand stage_rows = of_warp(rows.operand(stage.slot()));
#pragma unroll
      for (int i = 0; i < Memory::kStageSteps; ++i) {
        if (!Memory::Fragments::kWholeSpans && step + i >= arguments.num_steps) break;
        uint32_t a[4][4];
        weights.decode(span.slot(), step_of_span + i, arguments.num_columns - (step + i) * kStepColumns, a);
        wgmma_fence();
#pragma unroll
        for (int q = 0; q < 4; ++q) {
          wgmma_bf16(sums, a[q], further_on(stage_rows, i * Memory::kStepBytes + 32 * q), step + i + q > 0);
        }
        wgmma_commit();
        wgmma_wait<0>();
      }
    }
    stage.advance();
    if (step_of_span + Memory::kStageSteps == Memory::kSpanSteps) {
      span.advance();
      weights.advance();
    }
  }
  if (has_weights) wgmma_finish(sums);
}

// out = W x^T in tiles of 128 or 256 by kRows, see gemm_arguments.h.   grid: at most a block per tile.
// ptxas: <= 128 registers; HGMMA, LDGSTS
template <DType kFormat, int kRows>
__global__ void __launch_bounds__(expert_groups(kRows) * kGemmThreads, kRows == kNarrowRows ? 2 : 1)
    gemm_experts_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
  using Memory = ExpertMemory<kFormat, kRows>;
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  // The rings are not in use yet.
  const WorkList<kRows, Memory::kGroups> list(arguments, reinterpret_cast<int32_t*>(shared + Memory::kWorkBegin),
                                              reinterpret_cast<int32_t*>(shared + Memory::kRawBegin));
  for (int index = static_cast<int>(blockIdx.x); index < list.size(); index += static_cast<int>(gridDim.x)) {
    // The second time the tile is found anew. To keep it would take registers that the loop over steps needs.
    float sums[kRows / 2];  // of an idle group they are not set, and nobody stores them
    multiply_tile<kFormat, kRows>(arguments, group_work(list[index]), shared, sums);
    static_assert(Memory::kGroups * staged_bytes(kRows) <= Memory::kWorkBegin);
    store_group_sums<kRows, Memory::kGroups>(arguments, group_work(list[index]), sums);
    sync_block();  // all is read before the copies of the next tile begin
  }
}

template <DType kFormat, int kRows>
void launch_experts(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name,
         {dim3(tiles.grid_x), ExpertMemory<kFormat, kRows>::kThreads, tiles.shared_bytes, gemm.queue.stream()},
         gemm_experts_kernel<kFormat, kRows>, gemm.arguments);
}

// Calls use(integral_constant<type>) for the type of the list that `dtype` is.
template <DType... kTypes, typename Use>
void with_type_of(DTypeList<kTypes...>, DType dtype, const Use& use) {
  const bool is_found = ((dtype == kTypes && (use(std::integral_constant<DType, kTypes>()), true)) || ...);
  check(is_found, "no fragments are made of ", dtype_name(dtype));
}

int64_t expert_shared_bytes(DType weight, RowFormat, int tile_rows) {
  int64_t bytes = 0;
  with_type_of(FragmentTypes{}, weight, [&](auto type) {
    bytes = tile_rows == kWideExpertRows ? ExpertMemory<type, kWideExpertRows>::kWorkBegin
                                         : ExpertMemory<type, kNarrowRows>::kWorkBegin;
  });
  return bytes + kSwizzledTileAlignment;
}

void launch_experts_of_type(const GemmLaunch& gemm) {
  with_type_of(FragmentTypes{}, gemm.arguments.dtype, [&](auto type) {
    gemm.plan.tiles.rows == kWideExpertRows ? launch_experts<type, kWideExpertRows>(gemm)
                                            : launch_experts<type, kNarrowRows>(gemm);
  });
}

}  // namespace

constinit const GemmCode kGemmExperts = {expert_shared_bytes, launch_experts_of_type};

}  // namespace gesso::cuda
