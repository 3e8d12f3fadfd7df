// The same sums as in soft_embed_mma.cu on sm_90, with the instructions of a warpgroup.
//
// A block has a tile of 128 columns and some of its steps. Each of its two warpgroups computes 64 columns for all 256
// rows, so that a row of the table is decoded once for all of these. It computes the transpose, table^T . weights^T,
// because A may lie in registers:
//   A = table^T [64 columns, 64 tokens]   decoded to registers (decode/columns.h), by each warp for its 16 columns
//   B = weights [256 rows, 64 tokens]     from shared memory, as they were copied
// The weights of a step are the same for all tiles. So two blocks with neighbouring tiles are a pair (bulk_copy.h), and
// each copies half of the weights for both. While the products of a step run, which need no thread, the warps decode
// the next one. No barrier of the block is in the loop: warps wait for what they need, so one warpgroup's products run
// while the other one waits. The kernel is bound by products, by reads of shared memory and by what L2 delivers.
#include "core/check.h"
#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bulk_copy.h"
#include "cuda/device/launch.h"
#include "cuda/device/warp.h"
#include "cuda/device/wgmma.h"
#include "cuda/vocabulary/soft_embed_columns.cuh"
#include "cuda/vocabulary/soft_embed_product.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = kSoftWgmmaThreads, kWarps = kThreads / kWarpSize;
constexpr int kRows = kSoftTileRows;
constexpr int kSlots = 4;  // of weights, and of rows
constexpr int kMaxSharedBytes = 227 * 1024;

// How a block uses its shared memory. It begins at a multiple of kSwizzledTileAlignment.
template <DType kType>
struct Memory {
  static constexpr int kWeightBytes = kRows * kSwizzledRowBytes;
  static constexpr int kStoredBegin = kSlots * kWeightBytes;
  static constexpr int kFactorsBegin = kStoredBegin + kSlots * SoftStoredRows<kType>::kBytes;
  static constexpr int kBarriersBegin = kFactorsBegin + kRows * static_cast<int>(sizeof(float));
  static constexpr int kBytes = kBarriersBegin + 3 * kSlots * static_cast<int>(sizeof(CopyBarrier));
  static constexpr int kAllBytes = kBytes + kSwizzledTileAlignment;
  static_assert(kAllBytes <= kMaxSharedBytes);

  uint8_t* shared;

  __device__ uint8_t* weights(int step) const { return shared + ring_slot<kSlots>(step) * kWeightBytes; }
  __device__ uint8_t* stored(int step) const {
    return shared + kStoredBegin + ring_slot<kSlots>(step) * SoftStoredRows<kType>::kBytes;
  }
  __device__ float* factors() const { return reinterpret_cast<float*>(shared + kFactorsBegin); }
  // The weights of a step have come.
  __device__ CopyBarrier* weights_there(int step) const { return barriers() + ring_slot<kSlots>(step); }
  // All warps of both blocks have multiplied them.
  __device__ CopyBarrier* weights_read(int step) const { return barriers() + kSlots + ring_slot<kSlots>(step); }
  // The copies of the step's rows have come, and all warps have decoded those of the step before.
  __device__ CopyBarrier* rows_there(int step) const { return barriers() + 2 * kSlots + ring_slot<kSlots>(step); }
  __device__ CopyBarrier* barriers() const { return reinterpret_cast<CopyBarrier*>(shared + kBarriersBegin); }

  __device__ void begin_barriers() const {
    for (int slot = 0; slot < kSlots; ++slot) {
      begin_barrier(weights_there(slot), 1);
      begin_barrier(weights_read(slot), 2 * kWarps);
      begin_barrier(rows_there(slot), kWarps);
    }
  }
};

// The phase of a step in the barriers of its slot. Steps are counted from the block's first one.
__device__ inline unsigned phase_of(int step) { return static_cast<unsigned>(step) / kSlots; }

// The part of the plan that a block does. Both blocks of a pair have the same steps of neighbouring tiles. Where the
// number of tiles is odd, the last block computes the tile of its neighbour once more, and stores nothing.
struct SoftPart {
  int tile, first_step, num_steps, piece;
  bool is_stored;

  __device__ explicit SoftPart(const SoftPlan& plan) {
    const int splits = plan.num_blocks / plan.num_tiles, pair = static_cast<int>(blockIdx.x) / 2;
    const int wanted = pair / splits * 2 + place_in_pair();
    is_stored = wanted < plan.num_tiles;
    tile = is_stored ? wanted : plan.num_tiles - 1;
    const int block = tile * splits + pair % splits;
    first_step = plan.first_step(block) - tile * plan.num_steps;
    num_steps = plan.first_step(block + 1) - plan.first_step(block);
    piece = SoftPlan::piece(block, tile);
  }
};

// Issues the products of one step.
__device__ inline void multiply_step(float (&sums)[kRows / 2], const SoftFragments& a, const uint8_t* weights,
                                     bool accumulates) {
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < kSoftWgmmaTokens / 16; ++k) {
    wgmma_bf16(sums, a[k], wgmma_operand(weights, k), accumulates || k > 0);
  }
  wgmma_commit();
}

// sums = factor * sums + the product, for a piece. A thread has two neighbouring columns, of every fourth two rows. It
// reads the sums of some rows before it writes these.
__device__ inline void add_to_piece(const SoftSums& soft, int piece, int64_t first_row, int num_rows, bool is_first,
                                    const float* factors, const float (&product)[kRows / 2]) {
  constexpr int kBatch = 4;
  const int lane = lane_index(), thread_row = lane % 4 * 2;
  float* sums = soft.row_of_piece(piece, first_row + thread_row) + 16 * warp_index() + lane / 4 * 2;
#pragma unroll
  for (int batch = 0; batch < kRows / 8; batch += kBatch) {
    float2 before[kBatch][2];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int row = 8 * (batch + j) + i;
        const bool is_there = !is_first && thread_row + row < num_rows;
        before[j][i] = is_there ? *reinterpret_cast<const float2*>(sums + row * kSoftTileColumns) : make_float2(0, 0);
      }
    }
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int row = 8 * (batch + j) + i;
        if (thread_row + row >= num_rows) continue;
        const float factor = factors[thread_row + row], *of_row = product + 4 * (batch + j) + i;
        *reinterpret_cast<float2*>(sums + row * kSoftTileColumns) =
            make_float2(factor * before[j][i].x + of_row[0], factor * before[j][i].y + of_row[2]);
      }
    }
  }
}

// soft.weights and soft.rows are those of the current chunk.
// grid [2 * pairs of tiles * splits, R / kRows rounded up]; shared Memory.
// ptxas: <= 255 registers; HGMMA, LDGSTS, UBLKCP
template <DType kType>
__global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(kThreads, 1)
    soft_embed_wgmma_kernel(SoftSums soft, SoftTable table, bool is_first) {
  wait_for_earlier_kernels();
  auto* shared = shared_memory<uint8_t>();
  shared += (kSwizzledTileAlignment - shared_address(shared) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  const Memory<kType> memory{shared};
  const SoftPart part(soft.plan);
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kRows, first_token = part.first_step * kSoftWgmmaTokens;
  const int num_rows = static_cast<int>(std::min<int64_t>(soft.num_rows - first_row, kRows));
  const auto* weights = reinterpret_cast<const uint8_t*>(soft.weights_of_step(first_row, first_token));
  SoftRowCopies<kType> rows(table, first_token, part.tile);
  const SoftDecoding<kType> decoding(table, first_token, part.tile);

  if (threadIdx.x == 0) memory.begin_barriers();
  sync_pair();
  const auto start_weights = [&](int step) {  // of one thread
    const int num_bytes = num_rows * kSwizzledRowBytes;
    arrive_and_expect(memory.weights_there(step), num_bytes);
    copy_to_pair(memory.weights(step), weights + step * num_bytes, num_bytes / 2, memory.weights_there(step));
  };
  const auto start_rows = [&](int step) {
    if (step < part.num_steps) rows.start(memory.stored(step));
    commit_copies();
  };
  const auto arrive_with_rows = [&](int step) {  // behind a wait for the thread's copies
    sync_warp();
    if (lane_index() == 0) arrive(memory.rows_there(step));
  };

  if (threadIdx.x == 0) {
    for (int step = 0; step < std::min(kSlots - 1, part.num_steps); ++step) start_weights(step);
  }
  for (int step = 0; step < kSlots; ++step) start_rows(step);
  const int row = static_cast<int>(threadIdx.x);
  memory.factors()[row] = row < num_rows ? soft.rows[first_row + row].factor : 0.0f;
  float sums[kRows / 2];
  SoftFragments now, next;
  // Multiplies a step whose rows are decoded in `a`, and decodes those of the next one.
  const auto run_step = [&](int step, const SoftFragments& a, SoftFragments& b) {
    wait_for_phase(memory.weights_there(step), phase_of(step));
    multiply_step(sums, a, memory.weights(step), step > 0);
    // The weights that come next lie where those of the step before were.
    if (warp_index() == 0 && step + kSlots - 1 < part.num_steps) {
      if (step > 0) wait_for_phase(memory.weights_read(step - 1), phase_of(step - 1));
      if (lane_index() == 0) start_weights(step + kSlots - 1);
    }
    // Behind the wait all warps have decoded this step's rows, and their slot is free. After the last step there are
    // no more rows, and what is decoded from older ones is not used.
    wait_for_phase(memory.rows_there(step + 1), phase_of(step + 1));
    decoding.decode(memory.stored(step + 1), b);
    start_rows(step + kSlots);
    wait_copies<kSlots - 2>();
    arrive_with_rows(step + 2);
    wgmma_wait<0>();
    if (lane_index() == 0) arrive_in_pair(memory.weights_read(step));
  };
  wait_copies<kSlots - 1>();
  arrive_with_rows(0);
  wait_for_phase(memory.rows_there(0), 0);
  decoding.decode(memory.stored(0), now);
  wait_copies<kSlots - 2>();
  arrive_with_rows(1);
  for (int step = 0;;) {
    run_step(step, now, next);
    if (++step == part.num_steps) break;
    run_step(step, next, now);
    if (++step == part.num_steps) break;
  }
  wgmma_finish(sums);
  sync_pair();  // a block must not end while the other one still sends to it
  if (part.is_stored) add_to_piece(soft, part.piece, first_row, num_rows, is_first, memory.factors(), sums);
}

template <DType... kTypes>
void launch_type(DTypeList<kTypes...>, DType type, const dim3& grid, Queue& queue, const SoftSums& soft,
                 const SoftTable& table, bool is_first) {
  const auto launch_if = [&]<DType kType>(DTypeList<kType>) {
    if (type != kType) return;
    launch("soft_embed", {grid, kThreads, Memory<kType>::kAllBytes, queue.stream()}, soft_embed_wgmma_kernel<kType>,
           soft, table, is_first);
  };
  (launch_if(DTypeList<kTypes>{}), ...);
}

}  // namespace

void launch_soft_wgmma(Queue& queue, const SoftSums& soft, const SoftTable& table, bool is_first) {
  const int splits = soft.plan.num_blocks / soft.plan.num_tiles;
  const dim3 grid(static_cast<unsigned>((soft.plan.num_tiles + 1) / 2 * 2 * splits),
                  static_cast<unsigned>((soft.num_rows + kRows - 1) / kRows));
  launch_type(SoftWgmmaTypes{}, table.dtype, grid, queue, soft, table, is_first);
}

}  // namespace gesso::cuda
