// One kernel. A block chooses the experts of some tokens; the last block sorts the pairs of all tokens by expert. A
// thread counts the experts that come before its own; that number is the expert's rank, also among equal scores. Every
// slot comes from counting, too. So nothing depends on which block is the last one. The kernel is bound by latency: for
// a canvas of 256 tokens the last block sorts 2048 pairs, which it reads from the L2 cache.
#include "cuda/routing/choose_experts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "cuda/block/last_block.h"
#include "cuda/block/reduce.h"
#include "cuda/block/scan.h"
#include "cuda/device/access.h"
#include "cuda/device/arrival.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGroupLanes = 8;            // neighbouring threads that sort some tokens' pairs together
constexpr int kPairsAhead = 8;            // that a thread loads before it needs the first of them
constexpr int64_t kCountBytes = 1 << 15;  // for the counts of all groups, where one group does not need more

struct Task {
  PartialScores scores;           // of all tokens
  const float* per_expert_scale;  // [E]
  int32_t* experts;               // [R, A]
  float* weights;                 // [R, A]
  int32_t* slot_of_pair;          // [R * A]
  int32_t* token_of_slot;         // [R * A]
  int32_t* expert_offsets;        // [E + 1]
  int32_t num_tokens, num_active;
  int32_t token_threads;  // that choose for a token; a block has kThreads / token_threads tokens
  int32_t num_groups;     // of threads, each with neighbouring tokens, when pairs are sorted
  int32_t* counter;       // of blocks that have chosen
};

__host__ __device__ int divide_up(int a, int b) { return (a + b - 1) / b; }

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

// Chooses the experts of the block's tokens. Each token has token_threads threads.
__device__ void choose_for_tokens(const Task& task) {
  const int num_experts = task.scores.num_experts, num_active = task.num_active;
  const int of_block = static_cast<int>(threadIdx.x) / task.token_threads;
  const int thread = static_cast<int>(threadIdx.x) % task.token_threads;
  const int tokens_per_block = kThreads / task.token_threads;
  const int token = static_cast<int>(blockIdx.x) * tokens_per_block + of_block;
  const bool is_there = of_block < tokens_per_block && token < task.num_tokens;
  float* scores = shared_memory<float>() + of_block * (2 * num_experts + num_active);  // [E]
  uint32_t* keys = reinterpret_cast<uint32_t*>(scores + num_experts);                  // [E]
  int32_t* chosen = reinterpret_cast<int32_t*>(keys + num_experts);                    // [A]
  const int end = is_there ? num_experts : 0;

  for (int e = thread; e < end; e += task.token_threads) {
    scores[e] = task.scores.score(token, e);
    keys[e] = order_key(scores[e]);
  }
  sync_block();
  for (int e = thread; e < end; e += task.token_threads) {
    const int rank = rank_of(keys, num_experts, e);
    if (rank < num_active) chosen[rank] = e;
  }
  sync_block();
  for (int a = thread; is_there && a < num_active; a += task.token_threads) {
    task.experts[token * num_active + a] = chosen[a];
    task.weights[token * num_active + a] = share_of(scores, chosen, num_active, a) * task.per_expert_scale[chosen[a]];
  }
}

// Calls visit(token, choice, expert) for the pairs of a group's tokens, in the order of the tokens. A group has
// neighbouring tokens. The experts of a token differ, so no two threads of a group visit the same one at once.
template <typename Visit>
__device__ void visit_pairs(const Task& task, const Visit& visit) {
  const int group = static_cast<int>(threadIdx.x) / kGroupLanes, lane = static_cast<int>(threadIdx.x) % kGroupLanes;
  const int rounds = divide_up(task.num_active, kGroupLanes);  // of a token
  const int group_tokens = divide_up(task.num_tokens, task.num_groups);
  const int first_token = group * group_tokens;
  const int end_token = group < task.num_groups ? std::min(first_token + group_tokens, task.num_tokens) : 0;
  int token = first_token, choice = lane;
  for (int first = 0; first < group_tokens * rounds; first += kPairsAhead) {
    int32_t tokens[kPairsAhead], choices[kPairsAhead], experts[kPairsAhead];
#pragma unroll
    for (int i = 0; i < kPairsAhead; ++i) {
      tokens[i] = token;
      choices[i] = choice;
      const bool is_there = token < end_token && choice < task.num_active;
      experts[i] = is_there ? load_written(task.experts + token * task.num_active + choice) : -1;
      choice += kGroupLanes;
      const bool is_next = choice >= rounds * kGroupLanes;
      token += is_next ? 1 : 0;
      choice = is_next ? lane : choice;
    }
#pragma unroll
    for (int i = 0; i < kPairsAhead; ++i) {
      if (experts[i] >= 0) visit(tokens[i], choices[i], experts[i]);
      sync_warp();
    }
  }
}

// Makes slots of counts: the slot of a group's first pair with an expert is behind all pairs of lower experts, and
// behind those of the groups before.
__device__ void counts_to_slots(const Task& task, int32_t* counts, int32_t* scratch) {
  const int num_experts = task.scores.num_experts;
  int32_t before = 0;  // pairs of the experts of earlier rounds
  for (int first = 0; first < num_experts; first += kThreads) {
    const int expert = first + static_cast<int>(threadIdx.x);
    const bool is_there = expert < num_experts;
    int32_t total = 0;
    for (int group = 0; is_there && group < task.num_groups; ++group) total += counts[group * num_experts + expert];
    const RunningSum sum = block_running_sum(total, scratch);
    int32_t slot = before + sum.before;
    if (is_there) task.expert_offsets[expert] = slot;
    for (int group = 0; is_there && group < task.num_groups; ++group) {
      int32_t& place = counts[group * num_experts + expert];
      const int32_t count = place;
      place = slot;
      slot += count;
    }
    before += sum.total;
  }
  if (threadIdx.x == 0) task.expert_offsets[num_experts] = before;
}

// Sorts the pairs of all tokens by expert, and by token within an expert.
__device__ void sort_pairs(const Task& task) {
  int32_t* scratch = shared_memory<int32_t>();  // [kReduceScratch]
  int32_t* counts = scratch + kReduceScratch;   // [num_groups, E]: of a group's pairs, and then its next slots
  const int num_counts = task.num_groups * task.scores.num_experts;
  int32_t* own = counts + static_cast<int>(threadIdx.x) / kGroupLanes * task.scores.num_experts;
  for (int i = static_cast<int>(threadIdx.x); i < num_counts; i += kThreads) counts[i] = 0;
  sync_block();
  visit_pairs(task, [&](int, int, int expert) { store_to(own + expert, load_from<int32_t>(own + expert) + 1); });
  sync_block();
  counts_to_slots(task, counts, scratch);
  sync_block();
  visit_pairs(task, [&](int token, int choice, int expert) {
    const int32_t slot = load_from<int32_t>(own + expert);
    store_to(own + expert, slot + 1);
    task.slot_of_pair[token * task.num_active + choice] = slot;
    task.token_of_slot[slot] = token;
  });
}

// A block chooses for its tokens, and the last one sorts. Latency bounds it.
// grid R / (kThreads / token_threads); shared: 2 E + A words for each token of a block, and then those of sort_pairs.
// ptxas: <= 64 registers; SHFL
__global__ void __launch_bounds__(kThreads) route_kernel(Task task) {
  wait_for_earlier_kernels();
  choose_for_tokens(task);
  if (is_last_block(task.counter, static_cast<int>(gridDim.x), shared_memory<int32_t>())) sort_pairs(task);
}

}  // namespace

void choose_experts(const Context& context, const PartialScores& scores, int64_t num_tokens,
                    const float* per_expert_scale, const ops::Routing& routing) {
  if (num_tokens == 0) {  // there is no last block
    std::span<int32_t> offsets = routing.expert_offsets;
    check_cuda(cudaMemsetAsync(offsets.data(), 0, offsets.size_bytes(), context.queue->stream()), "route");
    return;
  }
  const int num_experts = scores.num_experts;
  const int64_t of_counts = kCountBytes / (num_experts * static_cast<int64_t>(sizeof(int32_t)));
  const Task task = {
      .scores = scores,
      .per_expert_scale = per_expert_scale,
      .experts = routing.experts.data(),
      .weights = routing.weights.data(),
      .slot_of_pair = routing.slot_of_pair.data(),
      .token_of_slot = routing.token_of_slot.data(),
      .expert_offsets = routing.expert_offsets.data(),
      .num_tokens = static_cast<int32_t>(num_tokens),
      .num_active = static_cast<int32_t>(routing.num_active),
      .token_threads = std::min(divide_up(num_experts, kWarpSize) * kWarpSize, kThreads),
      .num_groups = static_cast<int32_t>(std::clamp<int64_t>(of_counts, 1, kThreads / kGroupLanes)),
      .counter = context.queue->counters(1),
  };
  const int block_tokens = kThreads / task.token_threads;
  const dim3 grid(divide_up(task.num_tokens, block_tokens));
  const int64_t words = std::max(int64_t{block_tokens} * (2 * num_experts + task.num_active),
                                 kReduceScratch + int64_t{task.num_groups} * num_experts);
  launch("route", {grid, kThreads, words * static_cast<int64_t>(sizeof(int32_t)), context.queue->stream()},
         route_kernel, task);
}

}  // namespace gesso::cuda
