// A block takes one row and walks its vocabulary in chunks. The kernel is bound by bytes: a row is read and written
// once.
#include "ops/token_stats.h"

#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/token_stats_chunk.h"
#include "cuda/vocabulary/top_tokens.h"

namespace gesso::cuda {
namespace {

// logits [R, V], keys, entropy, argmax, sampled [R].   grid R, shared ChunkScratch. kHasMore: somebody asks for `more`.
// ptxas: <= 64 registers; SHFL
template <bool kHasMore>
__global__ void __launch_bounds__(kChunkThreads, 2)
    token_stats_kernel(QuadRows<float> logits, float temperature, const DrawKey* keys, float* entropies,
                       int32_t* argmax, int32_t* sampled, MoreStats more) {
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  const DrawKey key = keys[r];
  RowProgress row;
  [[maybe_unused]] TopTokens top(more, r);
  for (int64_t first = 0; first < logits.columns; first += chunk_step()) {
    Chunk chunk = read_chunk(logits, r, first);
#pragma unroll
    for (int g = 0; g < kChunkGroups; ++g) {
      Quad z;
#pragma unroll
      for (int i = 0; i < 4; ++i) z.v[i] = chunk.z[g][i] /= temperature;
      logits.store(r, first + group_begin(g), z);
    }
    if constexpr (kHasMore) top.add(chunk, static_cast<int32_t>(first), *shared_memory<ChunkScratch>());
    add_chunk(chunk, static_cast<int32_t>(first), &key, *shared_memory<ChunkScratch>(), row);
  }
  if constexpr (kHasMore) top.store();
  if (threadIdx.x != 0) return;
  entropies[r] = entropy(row);
  argmax[r] = row.argmax.token;
  sampled[r] = row.draw.token;
  if constexpr (kHasMore) more.log_sum[r] = log_sum(row);
}

}  // namespace

void token_stats(const Context& context, const ops::TokenStatsArguments& a) {
  const MoreStats more = more_stats(a.stats, 0);
  launch("token_stats",
         {dim3(static_cast<unsigned>(a.logits.rows)), chunk_threads(a.logits.columns), sizeof(ChunkScratch),
          context.queue->stream()},
         more.log_sum ? token_stats_kernel<true> : token_stats_kernel<false>, QuadRows(a.logits), a.temperature,
         a.keys.device, a.stats.entropy.data(), a.stats.argmax.data(), a.stats.sampled.data(), more);
}

}  // namespace gesso::cuda
