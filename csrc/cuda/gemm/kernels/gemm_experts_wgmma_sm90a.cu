// The matrix kernel for experts on sm_90, for rows of f16. Weights go from shared memory to registers, are decoded
// there, and are multiplied by the instructions of a warpgroup.
//
// A block has two warpgroups, each with 64 weight rows of its own. They share the rows of x. Raw weights and rows of x
// are copied one or two spans of columns ahead; short rows are copied once, and kept for all tiles of a run. There is
// one barrier per span. Between barriers the warps go their own ways: while the products of some run, others decode.
// (Every warp copies. Warps that did nothing else would save no instruction, and would need registers.)
#include <type_traits>

#include "core/check.h"
#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/blocks.h"
#include "cuda/decode/half_block_fragments.h"
#include "cuda/decode/super_blocks.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/expert_fragments.cuh"
#include "cuda/gemm/kernels/expert_tiles.cuh"
#include "cuda/gemm/kernels/gemm_store.cuh"

namespace gesso::cuda {
namespace {

__device__ inline int group_index() { return static_cast<int>(threadIdx.x) / kGemmThreads; }

// The calling warpgroup's part of a block's work. A group behind the last tile of weights repeats the last weight row,
// and what it computes is not stored.
__device__ inline TileWork group_work(TileWork work) {
  work.weight_tile += group_index();
  return work;
}

__device__ inline int min_of(int a, int b) { return a < b ? a : b; }

struct Range {
  int begin, end;
};

// The part of `size` tiles that the block computes. Blocks b and b + half of the grid have neighbouring parts. Where
// two blocks share a multiprocessor it is these, as blocks are spread over all multiprocessors before one gets its
// second. So all multiprocessors have the same number of tiles, give or take one.
__device__ inline Range tiles_of_block(int size) {
  const int half = static_cast<int>(gridDim.x) / 2, block = static_cast<int>(blockIdx.x);
  const int part = block < 2 * half ? block % half * 2 + block / half : block;
  const auto begin = [&](int i) { return static_cast<int>(int64_t{size} * i / static_cast<int>(gridDim.x)); };
  return {begin(part), begin(part + 1)};
}

// The products of a step with the tile's first kColumns rows of x.
template <int kColumns, int kCount>
__device__ inline void multiply_columns(float (&sums)[kCount], const uint32_t (&a)[4][4], WgmmaOperand rows,
                                        bool is_first) {
  auto& first_sums = reinterpret_cast<float(&)[kColumns / 2]>(sums);
  wgmma_fence();
#pragma unroll
  for (int q = 0; q < 4; ++q) wgmma_f16(first_sums, a[q], further_on(rows, 32 * q), q > 0 || !is_first);
  wgmma_commit();
  wgmma_wait<0>();
}

// The products of a step. A wide tile multiplies few more rows of x than it has.
template <int kRows>
__device__ inline void multiply_step(float (&sums)[kRows / 2], const uint32_t (&a)[4][4], WgmmaOperand rows,
                                     int num_rows, bool is_first) {
  if constexpr (kRows == kNarrowRows) {
    multiply_columns<kRows>(sums, a, rows, is_first);
  } else if (num_rows <= 64) {
    multiply_columns<64>(sums, a, rows, is_first);
  } else if (num_rows <= 96) {
    multiply_columns<96>(sums, a, rows, is_first);
  } else if (num_rows <= 128) {
    multiply_columns<128>(sums, a, rows, is_first);
  } else if (num_rows <= 144) {
    multiply_columns<144>(sums, a, rows, is_first);
  } else {
    multiply_columns<kRows>(sums, a, rows, is_first);
  }
}

// Computes the tiles index to end - 1, which have the same rows of x. While the sums of one are stored, the copies of
// the next one have begun.
template <DType kFormat, int kRows>
__device__ inline void compute_tiles(const GemmArguments& arguments, const WorkList<kRows, kExpertGroups>& list,
                                     int index, int end, uint8_t* shared) {
  using Memory = ExpertMemory<kFormat, kRows>;
  constexpr int kSpanSteps = Memory::kSpanSteps;
  const int thread = thread_index_anew();
  const TileWork work = group_work(list[index]);
  ExpertRows<Memory, kRows> rows(arguments, work, thread, shared + Memory::kRowsBegin);
  uint8_t* raw = shared + Memory::kRawBegin + thread / kGemmThreads * Memory::kSlots * Memory::kRawSlotBytes;
  ExpertWeights<Memory> weights(arguments, work, thread, raw);
  ExpertFragments<Memory> fragments(arguments, work, thread, raw,
                                    shared + Memory::kWordsBegin + thread / kWarpSize * Memory::kWordBytes);
  auto* row_scales = reinterpret_cast<float*>(shared + Memory::kRowScalesBegin);
  if (thread < kRows) row_scales[thread] = arguments.x_row_scales[x_row(arguments, work, thread)];
  const int num_spans = (arguments.num_steps + kSpanSteps - 1) / kSpanSteps;
  // Rows that are kept have a slot for each span. Others are in a ring, as the weights are.
  const bool keeps_rows = Memory::kKeepsRows && num_spans <= Memory::kRowSlots;
  const auto slot_of_rows = [&](int slot, int step) {
    return keeps_rows ? static_cast<int>(static_cast<unsigned>(step) / kSpanSteps) : slot;
  };
  RingPosition<Memory::kSlots> ring;
  int tiles_left = end - index, copied_step = 0;  // what is copied next
  bool copies_rows = true;
  const auto copy = [&](int slot) {
    if (tiles_left > 0) {
      if (copies_rows) rows.copy(slot_of_rows(slot, copied_step), copied_step);
      weights.copy(slot, arguments.num_columns - copied_step * kStepColumns);
    }
    commit_copies();
    copied_step += kSpanSteps;
    if (copied_step < arguments.num_steps) return;
    copied_step = 0;
    copies_rows = !keeps_rows;
    --tiles_left;
    rows.rewind(num_spans);
    weights.go_on(num_spans, kExpertGroups * outputs_per_tile(arguments.is_gated) * arguments.row_bytes);
  };
#pragma unroll
  for (int i = 0; i < Memory::kSlots - 1; ++i) copy(i);
  for (; index < end; ++index) {
    float sums[kRows / 2];
    fragments.start_rows();
    for (int step = 0; step < arguments.num_steps; step += kSpanSteps) {
      wait_copies<Memory::kSlots - 2>();
      fence_async_proxy();
      sync_block();  // the span has arrived, and all threads are done with the one before
      copy(ring.free_slot());
      const WgmmaOperand span_rows = of_warp(rows.operand(slot_of_rows(ring.slot(), step)));
#pragma unroll
      for (int i = 0; i < kSpanSteps; ++i) {
        if (i > 0 && !Memory::Fragments::kWholeSpans && step + i >= arguments.num_steps) break;
        if (i % Memory::Fragments::kPartSteps == 0) {
          fragments.prepare(ring.slot(), i, arguments.num_columns - (step + i) * kStepColumns, step + i > 0, sums);
        }
        uint32_t a[4][4];
        fragments.decode(ring.slot(), i, a);
        multiply_step<kRows>(sums, a, further_on(span_rows, i * Memory::kStepBytes), work.num_rows, step + i == 0);
      }
      ring.advance();
      fragments.advance();
    }
    wgmma_finish(sums);
    fragments.rewind(num_spans);
    fragments.unscale(sums, row_scales);
    // The tile is found anew. To keep it would take registers that the loop over steps needs.
    store_group_sums<kRows, kExpertGroups>(arguments, group_work(list[index]), sums,
                                           reinterpret_cast<float*>(shared + Memory::kStagedBegin));
  }
}

// out = W x^T in tiles of 128 by kRows, see gemm_arguments.h.   grid: at most a block per tile.
// A block has neighbouring tiles. Of 100 tiles, the first of 8 blocks has 0 to 11, and the fifth one 12 to 24.
// ptxas: <= 255 registers; HGMMA, LDGSTS
template <DType kFormat, int kRows>
__global__ void __launch_bounds__(kExpertThreads, kRows == kNarrowRows ? 2 : 1)
    gemm_experts_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
  using Memory = ExpertMemory<kFormat, kRows>;
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  // The rings are not in use yet.
  const WorkList<kRows, kExpertGroups> list(arguments, reinterpret_cast<int32_t*>(shared + Memory::kWorkBegin),
                                            reinterpret_cast<int32_t*>(shared + Memory::kRawBegin));
  const Range range = tiles_of_block(list.size());
  // Tiles that are not whole end at different places, and each is computed by itself. So is each wide tile whose
  // results are staged, as they are staged where the copies of the next tile would arrive.
  const bool has_runs = (Memory::kIsNarrow || !arguments.packed.values) &&
                        arguments.num_weight_tiles() % kExpertGroups == 0 &&
                        arguments.num_outputs % outputs_per_tile(arguments.is_gated) == 0;
  for (int index = range.begin; index < range.end;) {
    const int end = has_runs ? min_of(list.end_of_rows(index), range.end) : index + 1;
    compute_tiles<kFormat, kRows>(arguments, list, index, end, shared);
    sync_block();  // all is read before the copies of the next tile begin
    index = end;
  }
}

template <DType kFormat, int kRows>
void launch_experts(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name, {dim3(tiles.grid_x), kExpertThreads, tiles.shared_bytes, gemm.queue.stream()},
         gemm_experts_kernel<kFormat, kRows>, gemm.arguments);
}

// Calls use(integral_constant<type>) for the type of the list that `dtype` is.
template <DType... kTypes, typename Use>
void with_type_of(DTypeList<kTypes...>, DType dtype, const Use& use) {
  const bool is_found = ((dtype == kTypes && (use(std::integral_constant<DType, kTypes>()), true)) || ...);
  check(is_found, "no fragments are made of ", dtype_name(dtype));
}

int64_t expert_shared_bytes(DType weight, RowFormat, const GemmTiles& tiles) {
  int64_t bytes = 0;
  with_type_of(FragmentTypes{}, weight, [&](auto type) {
    bytes = tiles.rows == kWideExpertRows ? ExpertMemory<type, kWideExpertRows>::kWorkBegin
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
