// A task computes up to 192 queries that attend to all keys of one key-value head. Queries are pairs of a row and a
// query head. The task copies blocks of 64 keys, each once for all its queries. Everything is float32, as in the
// reference, whatever Context::activations says. Operations bound the speed, not memory: 4 * head_dim for a query and a
// key.
#include "ops/attention.h"

#include <algorithm>
#include <limits>
#include <span>

#include "core/threads/thread_scratch.h"
#include "core/threads/threads.h"
#include "cpu/simd/attention_lanes.h"
#include "cpu/simd/lanes.h"

namespace gesso::cpu {
namespace {

constexpr int64_t kMaxTaskQueries = 192;
constexpr int64_t kMaxGroups = kMaxTaskQueries / kLanes;

// The positions begin .. end - 1.
struct Range {
  int64_t begin, end;

  bool meets(const Range& other) const { return begin < other.end && other.begin < end; }
  Range operator&(const Range& other) const { return {std::max(begin, other.begin), std::min(end, other.end)}; }
};

// A key-value head of a sequence and its queries: query n is query head n % group of the sequence's row n / group.
struct Head {
  const ops::AttentionSequence& sequence;
  ops::AttentionMode mode;
  int64_t window;
  int64_t head_dim, row_size;  // row_size: floats in a row of keys or values, G * head_dim
  int64_t group;               // query heads for each key-value head
  int64_t index;               // index of the key-value head

  template <typename T>
  T* query(MatrixView<T> matrix, int64_t n) const {
    return matrix.row(sequence.first_row + n / group) + (index * group + n % group) * head_dim;
  }
  // The positions that query n sees. As n rises, neither begin nor end falls.
  Range seen(int64_t n) const {
    const int64_t position = sequence.first_position + n / group, begin = sequence.cached_begin;
    if (mode == ops::AttentionMode::kCanvas) return {begin, sequence.first_position + sequence.num_rows};
    return {window > 0 ? std::max(begin, position - window + 1) : begin, position + 1};
  }
  // The key, or the value, of a position.
  const float* locate(const std::byte* cached, const std::byte* own, int64_t position) const {
    const bool is_own = own && position >= sequence.first_position;
    const int64_t row = is_own ? position - sequence.first_position : position - sequence.cached_begin;
    return reinterpret_cast<const float*>(is_own ? own : cached) + row * row_size + index * head_dim;
  }
};

// Copies the rows of keys or values. The gap behind each row, and the rows behind the last one, become zeros.
void copy_rows(const Head& head, const std::byte* cached, const std::byte* own, Range positions, int64_t stride,
               float* out) {
  for (int64_t i = 0; i < KeyBlock::padded_keys(); ++i, out += stride) {
    const int64_t position = positions.begin + i, count = position < positions.end ? head.head_dim : 0;
    if (count > 0) std::copy_n(head.locate(cached, own, position), count, out);
    std::fill(out + count, out + stride, 0.0f);
  }
}

void copy_block(const Head& head, Range positions, KeyBlock& block) {
  const ops::AttentionSequence& s = head.sequence;
  block.num_keys = positions.end - positions.begin;
  copy_rows(head, s.cached_keys, s.own_keys, positions, block.stride, block.keys);
  copy_rows(head, s.cached_values, s.own_values, positions, block.stride, block.values);
}

// Neighbouring queries, one in each lane. Lanes behind the last query repeat it.
struct Group {
  int64_t first = 0, count = 0;
  AttentionLanes lanes;

  int64_t query(int64_t lane) const { return first + std::min(lane, count - 1); }
  Range seen_by_some(const Head& head) const { return {head.seen(first).begin, head.seen(query(count)).end}; }
  Range seen_by_all(const Head& head) const { return {head.seen(query(count)).begin, head.seen(first).end}; }
};

void start(const Head& head, ConstMatrix q, Group& group) {
  const float* queries[AttentionLanes::kMaxLanes];
  for (int64_t lane = 0; lane < AttentionLanes::num_lanes(); ++lane) queries[lane] = head.query(q, group.query(lane));
  group.lanes.start(queries);
}

void finish(const Head& head, const Group& group, Matrix out) {
  float* rows[AttentionLanes::kMaxLanes];
  for (int64_t lane = 0; lane < group.count; ++lane) rows[lane] = head.query(out, group.query(lane));
  group.lanes.finish(rows, group.count);
}

void hide_unseen(const Head& head, const Group& group, Range positions, float* scores) {
  const Range all = group.seen_by_all(head);
  if (all.begin <= positions.begin && positions.end <= all.end) return;
  const int64_t lanes = AttentionLanes::num_lanes();
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const Range seen = head.seen(group.query(lane));
    for (int64_t j = positions.begin; j < positions.end; ++j) {
      const bool is_seen = seen.begin <= j && j < seen.end;
      if (!is_seen) scores[(j - positions.begin) * lanes + lane] = -std::numeric_limits<float>::infinity();
    }
  }
}

// Computes the queries first .. end - 1 of a key-value head. With 100000 keys this takes a second, so it polls.
void run_task(const Head& head, int64_t first, int64_t end, ConstMatrix q, Matrix out, const JobPoll& poll) {
  const int64_t num_lanes = AttentionLanes::num_lanes();
  const int64_t state_size = AttentionLanes::memory_size(head.head_dim);
  float* scores = thread_scratch(AttentionLanes::scores_size() + KeyBlock::memory_size(head.head_dim) +
                                 kMaxTaskQueries / num_lanes * state_size);
  KeyBlock block(head.head_dim, scores + AttentionLanes::scores_size());
  float* states = block.keys + KeyBlock::memory_size(head.head_dim);

  Group groups[kMaxGroups];
  int64_t num_groups = 0;
  for (int64_t n = first; n < end; n += num_lanes, ++num_groups) {
    groups[num_groups] = {n, std::min(num_lanes, end - n), {head.head_dim, states + num_groups * state_size}};
    start(head, q, groups[num_groups]);
  }
  const Range seen = {head.seen(first).begin, head.seen(end - 1).end};
  for (int64_t begin = seen.begin / KeyBlock::kKeys * KeyBlock::kKeys; begin < seen.end; begin += KeyBlock::kKeys) {
    poll();
    const Range positions = seen & Range{begin, begin + KeyBlock::kKeys};
    copy_block(head, positions, block);
    for (Group& group : std::span(groups, num_groups)) {
      if (!group.seen_by_some(head).meets(positions)) continue;
      group.lanes.score(block, scores);
      hide_unseen(head, group, positions, scores);
      group.lanes.add(block, scores);
    }
  }
  for (const Group& group : std::span(groups, num_groups)) finish(head, group, out);
}

// How many queries a task has. Many queries share a copy of the keys better, but few tasks leave threads idle. So there
// are about four tasks for each thread.
int64_t task_queries(const Context& context, int64_t num_queries) {
  constexpr int64_t kStep = AttentionLanes::kMaxLanes;
  const int64_t share = num_queries / (4 * context.num_threads);
  return std::clamp((share + kStep - 1) / kStep * kStep, kStep, kMaxTaskQueries);
}

}  // namespace

void attention(const Context& context, const ops::AttentionArguments& a) {
  const int64_t num_key_value_heads = a.layout.num_key_value_heads, head_dim = a.layout.head_dim;
  const int64_t num_heads = a.q.columns / head_dim, group = num_heads / num_key_value_heads;
  for (const ops::AttentionSequence& sequence : a.sequences.host) {
    const int64_t num_queries = sequence.num_rows * group;  // for each key-value head
    const int64_t size = task_queries(context, sequence.num_rows * num_heads);
    const int64_t tasks_each = (num_queries + size - 1) / size;
    const int64_t num_keys = sequence.first_position + sequence.num_rows - sequence.cached_begin;
    const int64_t operations = std::min(size, num_queries) * num_keys * (4 * head_dim + kExpOperations);
    parallel_for(context, num_key_value_heads * tasks_each, operations, [&](int64_t task, const JobPoll& poll) {
      const Head head{sequence, a.mode, a.window, head_dim, num_key_value_heads * head_dim, group, task / tasks_each};
      const int64_t first = task % tasks_each * size;
      run_task(head, first, std::min(first + size, num_queries), a.q, a.out, poll);
    });
  }
}

}  // namespace gesso::cpu
