// The running sums of a soft embedding, softmax(z) . table. The vocabulary is walked in chunks of a few thousand
// tokens. For each chunk one kernel writes its weights e^(z - m), where m is the row's largest z so far. A second
// kernel scales the sums of the chunks before to the same m and adds the product of the weights with the chunk's rows
// of the table.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "cuda/block/swizzle.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/soft_plan.h"
#include "cuda/vocabulary/token_stats_chunk.h"

namespace gesso::cuda {

// The number of rows that walk the vocabulary together. With more rows the table would be read fewer times. But their
// sums would no longer fit in the L2 cache, and they would need more scratch memory; together that costs more.
constexpr int64_t kSoftBandRows = 512;

// The sums as kernels see them, in scratch memory, for R = num_rows rows.
struct SoftSums {
  int64_t num_rows = 0;
  int64_t num_columns = 0;   // D, the columns of the table
  int64_t chunk_tokens = 0;  // of a whole chunk
  SoftPlan plan;
  RowProgress* rows = nullptr;  // [R]
  uint16_t* weights = nullptr;  // bf16, of the current chunk, as weights_of_step says; zero behind the vocabulary
  float* sums = nullptr;        // [pieces of the plan, R, columns of a tile]: a piece sums the same part of every chunk

  // How many rows there are of the up to 256 that a row shares its weights' place with.
  __device__ int rows_of_tile(int64_t row) const {
    const int64_t left = num_rows - row / kSoftTileRows * kSoftTileRows;
    return left < kSoftTileRows ? static_cast<int>(left) : kSoftTileRows;
  }
  // The weights of a step lie together for up to 256 rows, [R / 256, steps of a whole chunk, rows, step_tokens], where
  // the pieces of a row are in the order of piece_offset. So they are copied to shared memory as they lie.
  __device__ uint16_t* weights_of_step(int64_t row, int64_t first_token) const {
    return weights + row / kSoftTileRows * kSoftTileRows * chunk_tokens + first_token * rows_of_tile(row) +
           row % kSoftTileRows * plan.step_tokens;
  }
  __host__ __device__ float* row_of_piece(int piece, int64_t row) const {
    return sums + (piece * num_rows + row) * kSoftTileColumns;
  }
};

SoftSums make_soft_sums(Queue& queue, int64_t num_rows, const Tensor& table);

// Adds the chunk that begins at token `first`. Its weights must be in soft.weights and its factors in soft.rows. The
// first chunk (`first` = 0) overwrites the sums.
void add_soft_chunk(Queue& queue, const SoftSums& soft, const Tensor& table, int64_t first);

// out[r] = scale * (the sums of row r) / (the sum of its weights).   out [R, D].
// entropy [R], if given: a row whose weights are not finite is not written, and one whose sums are not finite gets the
// entropy NaN.
void finish_soft_sums(Queue& queue, const SoftSums& soft, float scale, Matrix out, float* entropy = nullptr);

// Writes the weights of a chunk to soft.weights. `chunk` is as add_chunk left it: it holds weights in place of z. From
// a thread's group to its next one there are whole steps.
__device__ inline void write_weights(const SoftSums& soft, int64_t row, const Chunk& chunk) {
  const int token = group_begin(0), of_step = token & (soft.plan.step_tokens - 1);
  const int offset = piece_offset(2 * soft.plan.step_tokens, static_cast<int>(row % kSoftTileRows), of_step / 8);
  uint16_t* place =
      soft.weights_of_step(row / kSoftTileRows * kSoftTileRows, token - of_step) + offset / 2 + of_step % 8;
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
    const float* p = chunk.z[g];
    const uint64_t low = pack_bf16(p[0], p[1]), high = pack_bf16(p[2], p[3]);
    *reinterpret_cast<uint64_t*>(place) = high << 32 | low;
    place += (group_begin(1) - group_begin(0)) * soft.rows_of_tile(row);
  }
}

}  // namespace gesso::cuda
