// The same sums as in soft_embed_mma.cu on sm_90, with the instructions of a warpgroup.
//
// A block has two warpgroups. Each computes 64 columns of a tile for all 256 rows, so that a row of the table is
// decoded once for all of these. It computes the transpose, table^T . weights^T, because A may lie in registers:
//   A = table^T [64 columns, 64 tokens]   loaded from the decoded tile as the transpose of its matrices
//   B = weights [256 rows, 64 tokens]     from shared memory, as they were copied
// While the products of a step run, which need no thread, all warps decode the next one. The kernel is bound by its
// operations and by reads of shared memory: each group reads all weights.
#include "core/check.h"
#include "cuda/decode/blocks.h"
#include "cuda/decode/floats.h"
#include "cuda/decode/list_decoder.h"
#include "cuda/decode/super_blocks.h"
#include "cuda/device/barrier.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma.h"
#include "cuda/device/wgmma.h"
#include "cuda/vocabulary/soft_embed_product.h"
#include "cuda/vocabulary/soft_embed_tile.cuh"

namespace gesso::cuda {
namespace {

constexpr int kRows = kSoftTileRows;
constexpr int kStepTokens = kSoftWgmmaTokens;
constexpr int kGroupWarps = 4;
constexpr int kMaxSharedBytes = 227 * 1024;

// How a block uses its shared memory. It begins at a multiple of kSwizzledTileAlignment.
template <typename Decoder>
struct Memory {
  using Tile = SoftTile<Decoder, kStepTokens>;
  static constexpr int kWeightSlots = 3, kTableSlots = 2, kStoredSlots = 2;
  static constexpr int kWeightBytes = kRows * kSwizzledRowBytes;
  static constexpr int kTablesBegin = kWeightSlots * kWeightBytes;
  static constexpr int kStoredBegin = kTablesBegin + kTableSlots * Tile::kBytes;
  static constexpr int kFactorsBegin = kStoredBegin + kStoredSlots * Tile::kStoredBytes;
  static constexpr int kBytes = kFactorsBegin + kRows * static_cast<int>(sizeof(float));
  static constexpr int kAllBytes = kBytes + kSwizzledTileAlignment;
  static_assert(kAllBytes <= kMaxSharedBytes);

  uint8_t* shared;

  __device__ uint8_t* weights(int number) const { return shared + number % kWeightSlots * kWeightBytes; }
  __device__ uint8_t* table(int number) const { return shared + kTablesBegin + number % kTableSlots * Tile::kBytes; }
  __device__ uint8_t* stored(int number) const {
    return shared + kStoredBegin + number % kStoredSlots * Tile::kStoredBytes;
  }
  __device__ float* factors() const { return reinterpret_cast<float*>(shared + kFactorsBegin); }
};

// A of a step: the thread's part of the group's 64 columns. The products read it while they run.
using Fragments = uint32_t[kStepTokens / 16][4];

// `half` is where the group's columns of the decoded tile begin.
__device__ inline void load_fragments(const uint8_t* half, Fragments& a) {
  const int lane = lane_index(), warp = warp_index() % kGroupWarps;
#pragma unroll
  for (int k = 0; k < kStepTokens / 16; ++k) {
    const int token = 16 * k + lane / 16 * 8 + lane % 8, piece = 2 * warp + lane / 8 % 2;
    load_matrix_x4_transposed(a[k], half + swizzled_offset(token, piece));
  }
}

// Issues the products of one step.
__device__ inline void multiply_step(float (&sums)[kRows / 2], const Fragments& a, const uint8_t* weights,
                                     bool accumulates) {
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < kStepTokens / 16; ++k) {
    wgmma_bf16(sums, a[k], wgmma_operand(weights, k), accumulates || k > 0);
  }
  wgmma_commit();
}

// sums = factor * sums + the product, for a piece. The warp has 16 of the tile's columns, for all rows. It reads the
// sums of 32 rows before it writes these.
__device__ inline void add_to_piece(const SoftSums& soft, int piece, int64_t first_row, int num_rows, bool is_first,
                                    const float* factors, const float (&product)[kRows / 2]) {
  constexpr int kBatch = 4;
  const int lane = lane_index(), thread_row = lane % 4 * 2;
  float* sums = soft.row_of_piece(piece, first_row + thread_row) + 16 * warp_index() + lane / 4;
#pragma unroll
  for (int batch = 0; batch < kRows / 8; batch += kBatch) {
    float before[kBatch][4];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = 8 * (batch + j) + i % 2;
        const bool is_there = !is_first && thread_row + row < num_rows;
        before[j][i] = is_there ? sums[row * kSoftTileColumns + i / 2 * 8] : 0.0f;
      }
    }
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = 8 * (batch + j) + i % 2;
        if (thread_row + row >= num_rows) continue;
        sums[row * kSoftTileColumns + i / 2 * 8] =
            factors[thread_row + row] * before[j][i] + product[4 * (batch + j) + i];
      }
    }
  }
}

// soft.weights and soft.rows are those of the current chunk.   grid [plan's blocks, R / kRows rounded up]; shared
// Memory.
// ptxas: <= 255 registers; HGMMA, LDSM, LDGSTS
template <typename Decoder>
__global__ void __launch_bounds__(kSoftThreads, 1)
    soft_embed_wgmma_kernel(SoftSums soft, SoftTable table, bool is_first) {
  wait_for_earlier_kernels();
  using Tile = SoftTile<Decoder, kStepTokens>;
  const Decoder decoder(table.dtype);
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  const Memory<Decoder> memory{shared};
  const int block = static_cast<int>(blockIdx.x);
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kRows;
  const int first = soft.plan.first_step(block), end = soft.plan.first_step(block + 1);
  const int num_rows = static_cast<int>(std::min<int64_t>(soft.num_rows - first_row, kRows));

  // The next step to copy, and to decode.
  SoftStep copied(soft.plan, first), decoded = copied;
  const auto start_copies = [&](int number) {
    if (number < end) {
      const int64_t token = copied.step * kStepTokens;
      copy_soft_weights<kRows, kStepTokens>(soft.weights_of_step(first_row, token), num_rows, memory.weights(number));
      Tile::copy(decoder, table, token, copied.first_column(), memory.stored(number));
    }
    copied.advance(soft.plan);
    commit_copies();
  };
  const auto decode = [&](int number) {
    if (number < end) {
      Tile::decode(decoder, table, decoded.step * kStepTokens, decoded.first_column(),
                   warp_index() / Tile::kUnits * kWarpSize + lane_index(), warp_index() % Tile::kUnits,
                   memory.stored(number), memory.table(number));
    }
    decoded.advance(soft.plan);
  };

  start_copies(first);
  start_copies(first + 1);
  const int row = static_cast<int>(threadIdx.x);
  memory.factors()[row] = row < num_rows ? soft.rows[first_row + row].factor : 0.0f;
  wait_copies<1>();
  sync_block();
  decode(first);
  float sums[kRows / 2];
  Fragments a;
  for (int number = first; number < end;) {
    const int tile = number / soft.plan.num_steps;
    const int first_of_piece = number, end_of_piece = std::min(end, (tile + 1) * soft.plan.num_steps);
    for (; number < end_of_piece; ++number) {
      wait_copies<0>();
      wgmma_wait<0>();
      fence_async_proxy();
      // Now this step's weights and decoded tile are there, and the next step's stored rows. Older slots are free.
      sync_block();
      load_fragments(memory.table(number) + warp_index() / kGroupWarps * Tile::kHalfBytes, a);
      multiply_step(sums, a, memory.weights(number), number > first_of_piece);
      start_copies(number + 2);
      decode(number + 1);
    }
    wgmma_finish(sums);
    add_to_piece(soft, SoftPlan::piece(block, tile), first_row, num_rows, is_first, memory.factors(), sums);
  }
}

}  // namespace

void launch_soft_wgmma(Queue& queue, const SoftSums& soft, const SoftTable& table, bool is_first) {
  with_decoder_of(SoftWgmmaTypes{}, table.dtype, [&]<typename Decoder>(DecoderType<Decoder>) {
    const dim3 grid(static_cast<unsigned>(soft.plan.num_blocks),
                    static_cast<unsigned>((soft.num_rows + kRows - 1) / kRows));
    launch("soft_embed", {grid, kSoftThreads, Memory<Decoder>::kAllBytes, queue.stream()},
           soft_embed_wgmma_kernel<Decoder>, soft, table, is_first);
  });
}

}  // namespace gesso::cuda
