// The soft embedding of rows of logits that lie in memory whole. The row's maximum is not computed first: the sums are
// scaled whenever it rises.
#include "ops/soft_embed.h"

#include <algorithm>

#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/soft_embed_sums.h"

namespace gesso::cuda {
namespace {

// Writes the weights of the chunk at `first`. One block per row; bound by bytes.
// logits [R, V].   grid R, shared ChunkScratch.
// ptxas: <= 64 registers; SHFL
__global__ void __launch_bounds__(kChunkThreads, 2)
    soft_embed_weights_kernel(QuadRows<const float> logits, int64_t first, SoftSums soft) {
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  RowProgress row = first == 0 ? RowProgress() : soft.rows[r];
  Chunk chunk = read_chunk(logits, r, first);
  add_chunk(chunk, static_cast<int32_t>(first), nullptr, *shared_memory<ChunkScratch>(), row);
  write_weights(soft, r, chunk);
  if (threadIdx.x == 0) soft.rows[r] = row;
}

// `count` rows from `first_row` on.
void soft_embed_band(Queue& queue, const ops::SoftEmbedArguments& a, int64_t first_row, int64_t count) {
  const ConstMatrix logits = a.logits.row_range(first_row, count);
  const SoftSums soft = make_soft_sums(queue, logits.rows, a.table);
  const Launch grid = {dim3(static_cast<unsigned>(logits.rows)), chunk_threads(logits.columns), sizeof(ChunkScratch),
                       queue.stream()};
  for (int64_t first = 0; first < logits.columns; first += soft.chunk_tokens) {
    launch("soft_embed", grid, soft_embed_weights_kernel, QuadRows(logits), first, soft);
    add_soft_chunk(queue, soft, a.table, first);
  }
  finish_soft_sums(queue, soft, a.scale, a.out.row_range(first_row, count));
}

}  // namespace

void soft_embed(const Context& context, const ops::SoftEmbedArguments& a) {
  for (int64_t first = 0; first < a.logits.rows; first += kSoftBandRows) {
    soft_embed_band(*context.queue, a, first, std::min(kSoftBandRows, a.logits.rows - first));
  }
}

}  // namespace gesso::cuda
