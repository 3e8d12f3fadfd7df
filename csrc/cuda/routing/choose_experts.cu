// Two kernels. In the first a block takes a token and a thread an expert. The thread counts the experts that come
// before its own; that number is the expert's rank, also among equal scores. In the second a block takes an expert and
// looks at all pairs of token and expert. It counts the pairs of lower experts, which lie before its own, and keeps its
// own in their order. So every slot comes from counting alone: no sort, no atomic operation, no exchange between
// blocks. Both kernels are bound by latency. The pairs, which every block of the second kernel reads, are in the L2
// cache.
#include "cuda/routing/choose_experts.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "cuda/block/reduce.h"
#include "cuda/block/scan.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kMaxTokenThreads = 1024;
constexpr int kSortThreads = 256;  // one canvas of 256 tokens with 8 experts each gives a thread 8 pairs

// A larger score has a larger key. -0 counts as 0, and NaN comes before every number. The rank adds 1 to a key.
__device__ uint32_t order_key(float score) {
  if (score != score) return 0xfffffffeu;
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// The number of experts that come before expert e: those with a larger key, and lower ones with the same key.
__device__ int rank_of(const uint32_t* keys, int num_experts, int e) {
  const uint32_t own = keys[e];
  int rank = 0;
  for (int other = 0; other < num_experts; ++other) rank += keys[other] + (other < e ? 1u : 0u) > own ? 1 : 0;
  return rank;
}

// The weight of one choice: exp(score - best) over the sum of it over all choices, added in order, the best first. The
// softmax over all experts would add a denominator to both, which cancels.
__device__ float share_of(const float* scores, const int32_t* chosen, int num_active, int choice) {
  const float best = scores[chosen[0]];
  float sum = 0;
  for (int a = 0; a < num_active; ++a) sum += expf(scores[chosen[a]] - best);
  return expf(scores[chosen[choice]] - best) / sum;
}

// scores [R, E], per_expert_scale [E], experts, weights [R, A].
// grid R; shared E scores, E keys, A choices.
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kMaxTokenThreads)
    choose_experts_kernel(PartialScores all_scores, int num_active, const float* per_expert_scale, int32_t* experts,
                          float* weights) {
  wait_for_earlier_kernels();
  const int num_experts = all_scores.num_experts;
  float* scores = shared_memory<float>();                              // [E]
  uint32_t* keys = reinterpret_cast<uint32_t*>(scores + num_experts);  // [E]
  int32_t* chosen = reinterpret_cast<int32_t*>(keys + num_experts);    // [A]
  const int64_t token = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x), num_threads = static_cast<int>(blockDim.x);

  for (int e = thread; e < num_experts; e += num_threads) {
    scores[e] = all_scores.score(token, e);
    keys[e] = order_key(scores[e]);
  }
  sync_block();
  for (int e = thread; e < num_experts; e += num_threads) {
    const int rank = rank_of(keys, num_experts, e);
    if (rank < num_active) chosen[rank] = e;
  }
  sync_block();
  for (int a = thread; a < num_active; a += num_threads) {
    experts[token * num_active + a] = chosen[a];
    weights[token * num_active + a] = share_of(scores, chosen, num_active, a) * per_expert_scale[chosen[a]];
  }
}

// experts, slot_of_pair [P], token_of_slot [P], expert_offsets [E + 1].   grid E, shared kReduceScratch integers. Each
// thread has neighbouring pairs, so the order of the threads is the order of the pairs.
// ptxas: <= 64 registers; SHFL
__global__ void __launch_bounds__(kSortThreads)
    sort_pairs_kernel(const int32_t* experts, int num_pairs, int num_active, int32_t* slot_of_pair,
                      int32_t* token_of_slot, int32_t* expert_offsets) {
  wait_for_earlier_kernels();
  int32_t* scratch = shared_memory<int32_t>();
  const int expert = static_cast<int>(blockIdx.x);
  const int per_thread = (num_pairs + kSortThreads - 1) / kSortThreads;
  const int first = std::min(static_cast<int>(threadIdx.x) * per_thread, num_pairs);
  const int last = std::min(first + per_thread, num_pairs);

  int32_t num_lower = 0, num_own = 0;
  for (int pair = first; pair < last; ++pair) {
    num_lower += experts[pair] < expert ? 1 : 0;
    num_own += experts[pair] == expert ? 1 : 0;
  }
  const int32_t offset = block_sum(num_lower, scratch);
  const RunningSum own = block_running_sum(num_own, scratch);

  int32_t slot = offset + own.before;
  for (int pair = first; pair < last; ++pair) {
    if (experts[pair] != expert) continue;
    slot_of_pair[pair] = slot;
    token_of_slot[slot++] = pair / num_active;
  }
  if (threadIdx.x == 0) {
    expert_offsets[expert] = offset;
    if (blockIdx.x == gridDim.x - 1) expert_offsets[expert + 1] = offset + own.total;
  }
}

}  // namespace

void choose_experts(const Context& context, const PartialScores& scores, int64_t num_tokens,
                    const float* per_expert_scale, const ops::Routing& routing) {
  const int num_experts = scores.num_experts, num_active = static_cast<int>(routing.num_active);
  const int token_threads = std::min((num_experts + kWarpSize - 1) / kWarpSize * kWarpSize, kMaxTokenThreads);
  launch(
      "route: experts of each token",
      {dim3(static_cast<unsigned>(num_tokens)), token_threads,
       (2 * scores.num_experts + routing.num_active) * static_cast<int64_t>(sizeof(int32_t)), context.queue->stream()},
      choose_experts_kernel, scores, num_active, per_expert_scale, routing.experts.data(), routing.weights.data());
  launch("route: pairs by expert",
         {dim3(static_cast<unsigned>(num_experts)), kSortThreads, kReduceScratch * sizeof(int32_t),
          context.queue->stream()},
         sort_pairs_kernel, routing.experts.data(), static_cast<int>(routing.experts.size()), num_active,
         routing.slot_of_pair.data(), routing.token_of_slot.data(), routing.expert_offsets.data());
}

}  // namespace gesso::cuda
