// The vocabulary is walked in chunks of a few thousand tokens, with three kernels for each chunk. The first computes
// logits = x . head^T. The second adds a row's logits to its statistics and computes its weights e^(z - m). The third
// adds weights . table to the sums of the soft embedding. Head and table are the same matrix in most models: its chunk
// is read from memory once, and the third kernel finds it in the L2 cache. Chunks are the same whatever the number of
// rows, and so is the order of a row's sums.
#include "ops/head_stats.h"

#include <algorithm>

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/soft_cap.h"
#include "cuda/vocabulary/soft_embed_sums.h"
#include "cuda/vocabulary/top_tokens.h"

namespace gesso::cuda {
namespace {

// Where the statistics go. The pointers are null before the last chunk.
struct Results {
  float* entropy = nullptr;
  int32_t* argmax = nullptr;
  int32_t* sampled = nullptr;
};

// Makes z = soft_cap(logit) / temperature of the chunk's logits. Places behind the vocabulary stay at -inf.
__device__ void logits_to_z(Chunk& chunk, int64_t num_tokens, float cap, float temperature) {
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (group_begin(g) + i < num_tokens) chunk.z[g][i] = soft_cap(chunk.z[g][i], cap) / temperature;
    }
  }
}

// One block per row. The kernel is bound by operations: for each logit, 4 bytes from L2, it computes a tanh and an exp,
// and noise where a token may win the draw.
// logits [R, tokens of the chunk], rows [R].   grid R, shared ChunkScratch. kHasMore: somebody asks for `more`.
// ptxas: <= 64 registers; SHFL
template <bool kHasMore>
__global__ void __launch_bounds__(kChunkThreads, 2)
    head_stats_chunk_kernel(QuadRows<const float> logits, int64_t first, float cap, const ops::HeadRow* rows,
                            SoftSums soft, Results results, MoreStats more) {
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  const ops::HeadRow options = rows[r];
  RowProgress row = first == 0 ? RowProgress() : soft.rows[r];
  Chunk chunk = read_chunk(logits, r, 0);
  logits_to_z(chunk, logits.columns, cap, options.temperature);
  if constexpr (kHasMore) {
    TopTokens top(more, r);
    if (first > 0) top.load();
    top.add(chunk, static_cast<int32_t>(first), *shared_memory<ChunkScratch>());
    top.store();
  }
  add_chunk(chunk, static_cast<int32_t>(first), &options.key, *shared_memory<ChunkScratch>(), row);
  write_weights(soft, r, chunk);
  if (threadIdx.x != 0) return;
  soft.rows[r] = row;
  if (!results.entropy) return;
  results.entropy[r] = entropy(row);
  results.argmax[r] = row.argmax.token;
  results.sampled[r] = row.draw.token;
  if constexpr (kHasMore) more.log_sum[r] = log_sum(row);
}

// `count` rows from `first_row` on.
void head_stats_band(const Context& context, const ops::HeadStatsArguments& a, int64_t first_row, int64_t count) {
  Queue& queue = *context.queue;
  const ConstMatrix x = a.x.row_range(first_row, count);
  const Results results = {a.stats.entropy.data() + first_row, a.stats.argmax.data() + first_row,
                           a.stats.sampled.data() + first_row};
  const int64_t vocab_size = a.head.num_outputs();
  const MoreStats more = more_stats(a.stats, first_row);
  const SoftSums soft = make_soft_sums(queue, x.rows, a.table);
  float* logits = queue.scratch<float>(Scratch::kHead, x.rows * soft.chunk_tokens);
  const PackedRows packed = pack_rows(context, x, ops::kind_of(a.head));
  const Launch grid = {dim3(static_cast<unsigned>(x.rows)), chunk_threads(vocab_size), sizeof(ChunkScratch),
                       queue.stream()};
  for (int64_t first = 0; first < vocab_size; first += soft.chunk_tokens) {
    const int64_t num_tokens = std::min(soft.chunk_tokens, vocab_size - first);
    const Matrix chunk(logits, x.rows, num_tokens, soft.chunk_tokens);
    multiply(context, packed, a.head.row_range(first, num_tokens), chunk);
    launch("head_stats", grid, more.log_sum ? head_stats_chunk_kernel<true> : head_stats_chunk_kernel<false>,
           QuadRows(ConstMatrix(chunk)), first, a.cap, a.rows.device + first_row, soft,
           first + num_tokens == vocab_size ? results : Results(), more);
    add_soft_chunk(queue, soft, a.table, first);
  }
  finish_soft_sums(queue, soft, a.embed_scale, a.soft_embedding.row_range(first_row, count), results.entropy);
}

}  // namespace

void head_stats(const Context& context, const ops::HeadStatsArguments& a) {
  for (int64_t first = 0; first < a.x.rows; first += kSoftBandRows) {
    head_stats_band(context, a, first, std::min(kSoftBandRows, a.x.rows - first));
  }
}

}  // namespace gesso::cuda
