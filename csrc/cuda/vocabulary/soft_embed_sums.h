// The running sums of a soft embedding, softmax(z) . table. The vocabulary is walked in chunks of a few thousand
// tokens. For each chunk one kernel writes its weights e^(z - m), where m is the row's largest z so far. A second
// kernel scales the sums of the chunks before to the same m and adds the product of the weights with the chunk's rows
// of the table.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/token_stats_chunk.h"

namespace gesso::cuda {

// The number of rows that walk the vocabulary together. With more rows the table would be read fewer times. But their
// sums would no longer fit in the L2 cache, and they would need more scratch memory; together that costs more.
constexpr int64_t kSoftBandRows = 512;

// The sums as kernels see them, in scratch memory, for R = num_rows rows.
struct SoftSums {
  int64_t num_rows = 0;
  int64_t num_columns = 0;     // D, the columns of the table
  int64_t weights_stride = 0;  // the tokens of a whole chunk
  int64_t sums_stride = 0;     // D rounded up to whole tiles
  int num_segments = 0;
  RowProgress* rows = nullptr;  // [R]
  uint16_t* weights = nullptr;  // bf16 [R, weights_stride], of the current chunk; zero behind the vocabulary
  float* sums = nullptr;        // [num_segments, R, sums_stride]: segment s sums the s-th part of every chunk
};

SoftSums make_soft_sums(Queue& queue, int64_t num_rows, const Tensor& table);

// Adds the chunk that begins at token `first`. Its weights must be in soft.weights and its factors in soft.rows. The
// first chunk (`first` = 0) overwrites the sums.
void add_soft_chunk(Queue& queue, const SoftSums& soft, const Tensor& table, int64_t first);

// out[r] = scale * (the sums of row r) / (the sum of its weights).   out [R, D].
// entropy [R], if given: a row whose weights are not finite is not written, and one whose sums are not finite gets the
// entropy NaN.
void finish_soft_sums(Queue& queue, const SoftSums& soft, float scale, Matrix out, float* entropy = nullptr);

// Writes the weights of a chunk to soft.weights. `chunk` is as add_chunk left it: it holds weights in place of z.
__device__ inline void write_weights(const SoftSums& soft, int64_t row, const Chunk& chunk) {
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
    const float* p = chunk.z[g];
    const uint64_t low = pack_bf16(p[0], p[1]), high = pack_bf16(p[2], p[3]);
    *reinterpret_cast<uint64_t*>(soft.weights + row * soft.weights_stride + group_begin(g)) = high << 32 | low;
  }
}

}  // namespace gesso::cuda
