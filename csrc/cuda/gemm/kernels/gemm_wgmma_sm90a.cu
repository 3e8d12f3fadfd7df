// The matrix kernel for rows of bf16 on sm_90, with the instructions of a warpgroup.
//
// A block has two warpgroups, each with 64 weight rows of its own. They share up to 256 rows of x, so that a weight is
// decoded once for all of these. As in gemm_bf16.cuh three things run side by side: copies of raw weights and of rows
// of x, which are needed some steps later; decoding of the next step's weights; and this step's products, which need no
// thread once they are issued. With many rows of x the matrix units bound the speed, with few the bytes of the weights.
#include <type_traits>

#include "core/check.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/blocks.h"
#include "cuda/decode/floats.h"
#include "cuda/decode/list_decoder.h"
#include "cuda/decode/super_blocks.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/kernels/gemm_store.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"

namespace gesso::cuda {
namespace {

constexpr int kGroups = kWgmmaGroups;
constexpr int kThreads = kGroups * kGemmThreads;
constexpr int kMaxSharedBytes = 227 * 1024;

__device__ inline int group_index() { return static_cast<int>(threadIdx.x) / kGemmThreads; }

// How a block uses its shared memory. It begins at a multiple of kSwizzledTileAlignment.
template <typename Decoder, int kRows>
struct WgmmaMemory {
  static constexpr int kSlots = 3;  // steps of rows of x: one is multiplied, two have arrived or are on their way
  static constexpr int kSlotBytes = kRows * kSwizzledRowBytes;
  static constexpr int kWeightBytes = kTileWeightRows * kSwizzledRowBytes;  // decoded weights of one step and group
  static constexpr int kRawSlots = RawSpan<Decoder>::num_slots(kSlots - 1);
  using Raw = RawTile<Decoder, kRawSlots>;

  // How many groups of copies may still be on their way when a step needs its own.
  static constexpr int kRawAhead = RawSpan<Decoder>::kSteps * (kRawSlots - 1);
  static constexpr int kInFlight = (kSlots - 1 < kRawAhead ? kSlots - 1 : kRawAhead) - 1;

  static constexpr int kRowsBegin = 0;
  static constexpr int kWeightsBegin = kRowsBegin + kSlots * kSlotBytes;
  static constexpr int kRawBegin = kWeightsBegin + kGroups * 2 * kWeightBytes;
  static constexpr int kBytes = kRawBegin + kGroups * Raw::kBytes;
  static_assert(kBytes + kSwizzledTileAlignment <= kMaxSharedBytes);
  static_assert(kGroups * staged_bytes(kRows) <= kBytes);

  uint8_t* shared;

  __device__ uint8_t* rows(int step) const { return shared + kRowsBegin + step % kSlots * kSlotBytes; }
  __device__ uint8_t* weights(int step) const {
    return shared + kWeightsBegin + (group_index() * 2 + step % 2) * kWeightBytes;
  }
  __device__ uint8_t* raw() const { return shared + kRawBegin + group_index() * Raw::kBytes; }
};

// The tile that a block computes. x of the grid counts tiles; those with the same weights and other rows of x follow
// one another. y of the grid counts splits.
template <int kRows>
__device__ TileWork block_work(const GemmArguments& arguments) {
  const int num_row_tiles = (arguments.num_rows + kRows - 1) / kRows;
  const int block = static_cast<int>(blockIdx.x);
  TileWork work;
  work.weight_tile = block / num_row_tiles * kGroups + group_index();
  work.first_row = block % num_row_tiles * kRows;
  work.num_rows = arguments.num_rows - work.first_row < kRows ? arguments.num_rows - work.first_row : kRows;
  work.split = static_cast<int>(blockIdx.y);
  work.first_step = work.split * arguments.steps_per_split;
  work.end_step = work.first_step + arguments.steps_per_split;
  if (work.end_step > arguments.num_steps) work.end_step = arguments.num_steps;
  return work;
}

// Starts the copies of a step's rows of x. Rows that the tile does not have are not copied. Whatever lies in their
// place is multiplied, and the result is not stored.
__device__ inline void copy_rows(const GemmArguments& arguments, const TileWork& work, int step, uint8_t* tile) {
  constexpr int kPieces = kSwizzledRowBytes / 16;
  const int piece = static_cast<int>(threadIdx.x) % kPieces;
  for (int row = static_cast<int>(threadIdx.x) / kPieces; row < work.num_rows; row += kThreads / kPieces) {
    const std::byte* source = arguments.x + (work.first_row + row) * arguments.x_row_bytes + step * kSwizzledRowBytes;
    copy_async_16(tile + swizzled_offset(row, piece), source + 16 * piece);
  }
}

// Issues the products of one step.
template <int kRows>
__device__ inline void multiply_step(float (&sums)[kRows / 2], const uint8_t* weights, const uint8_t* rows,
                                     bool is_first) {
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < kStepColumns / 16; ++k) {
    wgmma_bf16(sums, wgmma_operand(weights, k), wgmma_operand(rows, k), !is_first || k > 0);
  }
  wgmma_commit();
}

// Computes the sums of one tile over its steps. There is at least one.
template <typename Decoder, int kRows>
__device__ inline void multiply_tile(const GemmArguments& arguments, const TileWork& work, uint8_t* shared,
                                     float (&sums)[kRows / 2]) {
  using Memory = WgmmaMemory<Decoder, kRows>;
  constexpr int kSpanSteps = RawSpan<Decoder>::kSteps;
  const Memory memory{shared};
  typename Memory::Raw raw(memory.raw(), arguments.dtype);
  raw.begin([&](int i) { return weight_row(arguments, work, i); }, arguments.row_bytes, work.end_step);

  // What a thread does while the products of a step run: it starts copies into the slot that the step before has left,
  // and decodes the next step's weights.
  const auto prepare = [&](int step) {
    const int next = step + 1, copied = step + Memory::kSlots - 1;
    if (copied < work.end_step) copy_rows(arguments, work, copied, memory.rows(copied));
    if (next % kSpanSteps == 0) raw.copy(next / kSpanSteps + Memory::kRawSlots - 1);
    commit_copies();
    if (next < work.end_step) decode_step(raw, next, arguments.num_columns, memory.weights(next));
  };

  for (int i = 0; i < Memory::kRawSlots - 1; ++i) raw.copy(work.first_step / kSpanSteps + i);
  copy_rows(arguments, work, work.first_step, memory.rows(work.first_step));
  for (int i = 0; i <= Memory::kInFlight; ++i) commit_copies();
  wait_copies<Memory::kInFlight>();
  sync_block();
  prepare(work.first_step - 1);
  for (int step = work.first_step; step < work.end_step; ++step) {
    wait_copies<Memory::kInFlight>();
    fence_async_proxy();
    sync_block();  // this step's tiles are complete
    multiply_step<kRows>(sums, memory.weights(step), memory.rows(step), step == work.first_step);
    wgmma_wait<1>();
    sync_block();  // all threads are done with the step before
    prepare(step);
  }
  wgmma_finish(sums);
}

// out = W x^T in tiles of 2 * 64 by kRows, see gemm_arguments.h.   grid: see block_work; shared WgmmaMemory.
// ptxas: <= 255 registers; HGMMA, LDGSTS
template <typename Decoder, int kRows>
__global__ void __launch_bounds__(kThreads, 1) gemm_wgmma_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  const TileWork work = block_work<kRows>(arguments);
  float sums[kRows / 2];
  multiply_tile<Decoder, kRows>(arguments, work, shared, sums);
  store_group_sums<kRows, kGroups>(arguments, work, sums);
}

template <typename Decoder, int kRows>
void launch_gemm_wgmma(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name, {dim3(tiles.grid_x, tiles.grid_y), kThreads, tiles.shared_bytes, gemm.queue.stream()},
         gemm_wgmma_kernel<Decoder, kRows>, gemm.arguments);
}

// Calls use(integral_constant<kRows>) for the rows of a tile.
template <typename Use>
void with_rows(int tile_rows, const Use& use) {
  if (tile_rows == 64) return use(std::integral_constant<int, 64>());
  if (tile_rows == 128) return use(std::integral_constant<int, 128>());
  check(tile_rows == 256, "no kernel of warpgroups has tiles of ", tile_rows, " rows");
  use(std::integral_constant<int, 256>());
}

int64_t wgmma_shared_bytes(DType weight, RowFormat, int tile_rows) {
  int64_t bytes = 0;
  with_decoder_of(WgmmaTypes{}, weight, [&]<typename Decoder>(DecoderType<Decoder>) {
    with_rows(tile_rows, [&](auto rows) { bytes = WgmmaMemory<Decoder, rows>::kBytes + kSwizzledTileAlignment; });
  });
  return bytes;
}

void launch_wgmma(const GemmLaunch& gemm) {
  with_decoder_of(WgmmaTypes{}, gemm.arguments.dtype, [&]<typename Decoder>(DecoderType<Decoder>) {
    with_rows(gemm.plan.tiles.rows, [&](auto rows) { launch_gemm_wgmma<Decoder, rows>(gemm); });
  });
}

}  // namespace

constinit const GemmCode kGemmWgmma = {wgmma_shared_bytes, launch_wgmma};

}  // namespace gesso::cuda
