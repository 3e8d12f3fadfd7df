// The running sums of an expected embedding, softmax(z) . table. The vocabulary is walked in chunks of a few thousand
// tokens: a kernel writes the weights of a chunk, e^(z - m) with m the row's largest z so far, and then their product
// with the chunk's rows of the table is added to sums that are brought to the same m.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/token_stats_chunk.h"

namespace gesso::cuda {

// Rows that walk the vocabulary together. More would take more scratch memory than they save in reading the table once
// less: their sums no longer stay in the L2 cache.
constexpr int64_t kSoftBandRows = 512;

// As kernels see them; in scratch memory, [R] rows.
struct SoftSums {
  int64_t num_rows = 0;
  int64_t num_columns = 0;     // D of the table
  int64_t weights_stride = 0;  // tokens of a whole chunk
  int64_t sums_stride = 0;     // D up to whole tiles
  int num_segments = 0;
  RowProgress* rows = nullptr;  // [R]
  uint16_t* weights = nullptr;  // bf16 [R, weights_stride], of the chunk at hand; zero behind the vocabulary
  float* sums = nullptr;        // [num_segments, R, sums_stride]: segment s sums the s-th part of every chunk
};

SoftSums make_soft_sums(Queue& queue, int64_t num_rows, const Tensor& table);

// Takes the chunk that begins at token `first`, whose weights and factors are there. The first chunk starts the sums.
void add_soft_chunk(Queue& queue, const SoftSums& soft, const Tensor& table, int64_t first);

// out[r] = scale * (the sums of row r) / (the sum of its weights).   out [R, D].
void finish_soft_sums(Queue& queue, const SoftSums& soft, float scale, Matrix out);

// Keeps the weights of a chunk: what add_chunk has left in its place.
__device__ inline void write_weights(const SoftSums& soft, int64_t row, const Chunk& chunk) {
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
    const float* p = chunk.z[g];
    const uint64_t low = pack_bf16(p[0], p[1]), high = pack_bf16(p[2], p[3]);
    *reinterpret_cast<uint64_t*>(soft.weights + row * soft.weights_stride + group_begin(g)) = high << 32 | low;
  }
}

}  // namespace gesso::cuda
