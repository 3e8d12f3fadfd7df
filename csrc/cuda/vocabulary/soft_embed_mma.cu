// sums = factor * sums + weights . table, for one chunk of the vocabulary. The chunk's tokens are the inner dimension
// of the product. The table's rows are read as they are stored in the model file.
//
// A block of 8 warps computes tiles of 256 rows by 128 columns of the sums, one piece after another (soft_plan.h). It
// takes 32 tokens at a time:
//   weights [256 rows, 32 tokens]      bf16, copied as they are
//   table   [32 tokens, 128 columns]   copied as stored, then decoded to bf16. Half of the warps decode one step, the
//                                      other half the next; the others multiply meanwhile
// A warp multiplies 64 rows by 64 columns and keeps their sums in registers. For the formats of RemainingDecoder a warp
// takes 32 rows, and so a block 128. The kernel is bound by its operations, two for each row, token and column; all its
// bytes come from the L2 cache.
#include <type_traits>

#include "cuda/decode/with_decoder.h"
#include "cuda/device/barrier.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma.h"
#include "cuda/vocabulary/soft_embed_product.h"
#include "cuda/vocabulary/soft_embed_tile.cuh"

namespace gesso::cuda {
namespace {

constexpr int kStepTokens = kSoftMmaTokens;
constexpr int kWarpColumns = 64;
constexpr int kColumnWarps = kSoftTileColumns / kWarpColumns;
constexpr int kHalfWarps = kSoftThreads / kWarpSize / 2;  // half of the block's

// Rows of a warp. The decoder of the remaining formats needs many registers itself, so fewer are left for sums.
template <typename Decoder>
constexpr int kWarpRows = std::is_same_v<Decoder, RemainingDecoder> ? 32 : 64;
template <typename Decoder>
constexpr int kTileRows = kSoftThreads / kWarpSize / kColumnWarps * kWarpRows<Decoder>;

// Shared memory holds rings of slots: decoded rows of the table, weights, and rows of the table as stored.
constexpr int kWeightSlots = 3, kTableSlots = 2, kStoredSlots = 2;
constexpr int kWeightRowBytes = kStepTokens * 2;

template <typename Decoder>
constexpr int64_t kSharedBytes =
    kTableSlots * SoftTile<Decoder, kStepTokens>::kBytes + kWeightSlots * kTileRows<Decoder> * kWeightRowBytes +
    kStoredSlots * SoftTile<Decoder, kStepTokens>::kStoredBytes;

struct alignas(8) Pair {
  float v[2];
};

template <int kRows>
using WarpSums = float[kRows / 16][kWarpColumns / 8][4];

// Adds a warp's part of the product over 32 tokens. `tile` is where the warp's 64 columns begin.
template <int kRows>
__device__ void multiply_step(const uint8_t* weights, const uint8_t* tile, int warp_row, WarpSums<kRows>& sums) {
  const int lane = lane_index();
#pragma unroll
  for (int k = 0; k < kStepTokens / 16; ++k) {
    uint32_t a[kRows / 16][4];
#pragma unroll
    for (int m = 0; m < kRows / 16; ++m) {
      load_matrix_x4(a[m], weights + piece_offset<kWeightRowBytes>(warp_row + 16 * m + lane % 16, 2 * k + lane / 16));
    }
#pragma unroll
    for (int n = 0; n < kWarpColumns / 16; ++n) {
      uint32_t b[4];  // tokens 0-7 and 8-15 of eight columns, then of the next eight
      load_matrix_x4_transposed(b, tile + swizzled_offset(16 * k + lane % 16, 2 * n + lane / 16));
#pragma unroll
      for (int m = 0; m < kRows / 16; ++m) {
        mma_bf16(sums[m][2 * n], a[m], {b[0], b[1]});
        mma_bf16(sums[m][2 * n + 1], a[m], {b[2], b[3]});
      }
    }
  }
}

// sums = factor * sums + the product, for a warp's part of a piece. A thread has pairs of neighbouring columns, so it
// reads and writes two at once.
template <int kRows>
__device__ void add_to_piece(const SoftSums& soft, int piece, int64_t first_row, int first_column, bool is_first,
                             const WarpSums<kRows>& product) {
  const int lane = lane_index();
#pragma unroll
  for (int m = 0; m < 2 * kRows / 16; ++m) {  // eight rows at a time
    const int64_t row = first_row + 8 * m + lane / 4;
    if (row >= soft.num_rows) continue;
    const float factor = is_first ? 0.0f : soft.rows[row].factor;
    float* sums = soft.row_of_piece(piece, row) + first_column + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kWarpColumns / 8; ++n) {
      Pair* place = reinterpret_cast<Pair*>(sums + 8 * n);
      Pair pair = is_first ? Pair{} : *place;
#pragma unroll
      for (int i = 0; i < 2; ++i) pair.v[i] = factor * pair.v[i] + product[m / 2][n][m % 2 * 2 + i];
      *place = pair;
    }
  }
}

// soft.weights and soft.rows are those of the current chunk.   grid [plan's blocks, R / kTileRows rounded up].
// ptxas: <= 255 registers, <= 128 bytes of stack: the remaining formats are decoded in an array; HMMA, LDSM, LDGSTS
template <typename Decoder>
__global__ void __launch_bounds__(kSoftThreads, 1)
    soft_embed_mma_kernel(SoftSums soft, SoftTable table, bool is_first) {
  wait_for_earlier_kernels();
  using Tile = SoftTile<Decoder, kStepTokens>;
  const Decoder decoder(table.dtype);
  constexpr int kRows = kWarpRows<Decoder>, kWeightSlotBytes = kTileRows<Decoder> * kWeightRowBytes;
  uint8_t* tiles = shared_memory<uint8_t>();
  uint8_t* weights = tiles + kTableSlots * Tile::kBytes;
  uint8_t* stored = weights + kWeightSlots * kWeightSlotBytes;
  const int block = static_cast<int>(blockIdx.x);
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTileRows<Decoder>;
  const int first = soft.plan.first_step(block), end = soft.plan.first_step(block + 1);
  const int half = warp_index() / kHalfWarps;
  const int warp_row = warp_index() / kColumnWarps * kRows, warp_half = warp_index() % kColumnWarps;
  const int num_rows = static_cast<int>(std::min<int64_t>(soft.num_rows - first_row, kTileRows<Decoder>));
  const bool has_rows = warp_row < num_rows;

  // The next step to copy, and to decode.
  SoftStep copied(soft.plan, first), decoded = copied;
  const auto start_copies = [&](int number) {
    if (number < end) {
      const int64_t token = copied.step * kStepTokens;
      copy_soft_weights<kTileRows<Decoder>, kStepTokens>(soft.weights_of_step(first_row, token), num_rows,
                                                         weights + number % kWeightSlots * kWeightSlotBytes);
      Tile::copy(decoder, table, token, copied.first_column(), stored + number % kStoredSlots * Tile::kStoredBytes);
    }
    copied.advance(soft.plan);
    commit_copies();
  };
  const auto decode = [&](int number) {
    if (number < end && number % 2 == half) {
      Tile::decode(decoder, table, decoded.step * kStepTokens, decoded.first_column(), lane_index(),
                   warp_index() % kHalfWarps, stored + number % kStoredSlots * Tile::kStoredBytes,
                   tiles + number % kTableSlots * Tile::kBytes);
    }
    decoded.advance(soft.plan);
  };

  start_copies(first);
  start_copies(first + 1);
  wait_copies<1>();
  sync_block();
  decode(first);
  for (int number = first; number < end;) {
    const int tile = number / soft.plan.num_steps, end_of_piece = std::min(end, (tile + 1) * soft.plan.num_steps);
    WarpSums<kRows> sums = {};
    for (; number < end_of_piece; ++number) {
      wait_copies<0>();
      // Now this step's weights and decoded tile are there, and the next step's stored rows. Older slots are free.
      sync_block();
      start_copies(number + 2);
      decode(number + 1);
      if (has_rows) {
        multiply_step<kRows>(weights + number % kWeightSlots * kWeightSlotBytes,
                             tiles + number % kTableSlots * Tile::kBytes + warp_half * Tile::kHalfBytes, warp_row,
                             sums);
      }
    }
    add_to_piece<kRows>(soft, SoftPlan::piece(block, tile), first_row + warp_row, warp_half * kWarpColumns, is_first,
                        sums);
  }
}

}  // namespace

void launch_soft_mma(Queue& queue, const SoftSums& soft, const SoftTable& table, bool is_first) {
  with_decoder(table.dtype, [&](auto type) {
    using Decoder = typename decltype(type)::Decoder;
    const dim3 grid(static_cast<unsigned>(soft.plan.num_blocks),
                    static_cast<unsigned>((soft.num_rows + kTileRows<Decoder> - 1) / kTileRows<Decoder>));
    launch("soft_embed", {grid, kSoftThreads, kSharedBytes<Decoder>, queue.stream()}, soft_embed_mma_kernel<Decoder>,
           soft, table, is_first);
  });
}

}  // namespace gesso::cuda
