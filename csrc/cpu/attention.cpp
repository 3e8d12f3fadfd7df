#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

constexpr int64_t kKeyBlock = 64;

// The keys and values of one kv head, by absolute position.
struct KeyValues {
  const ops::AttentionSequence& sequence;
  int64_t row_size;     // G * head_dim
  int64_t head_offset;  // of this kv head in a row

  const float* locate(const std::byte* cached, const std::byte* own, int64_t position) const {
    const bool is_own = own && position >= sequence.first_position;
    const int64_t index = is_own ? position - sequence.first_position : position - sequence.cached_begin;
    return reinterpret_cast<const float*>(is_own ? own : cached) + index * row_size + head_offset;
  }
  const float* key(int64_t position) const { return locate(sequence.cached_keys, sequence.own_keys, position); }
  const float* value(int64_t position) const { return locate(sequence.cached_values, sequence.own_values, position); }
};

// Softmax attention of one query over the positions [begin, end), block by block with a running maximum
// (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
void attend(const float* query, const KeyValues& kv, int64_t begin, int64_t end, int64_t head_dim, float* out) {
  std::fill_n(out, head_dim, 0.0f);
  float running_max = -std::numeric_limits<float>::infinity();
  float sum = 0;
  for (int64_t first = begin; first < end;) {
    const int64_t last = std::min(end, (first / kKeyBlock + 1) * kKeyBlock);
    float scores[kKeyBlock];
    float block_max = running_max;
    for (int64_t j = first; j < last; ++j) {
      scores[j - first] = dot(query, kv.key(j), head_dim);
      block_max = std::max(block_max, scores[j - first]);
    }
    if (block_max > running_max) {
      const float correction = std::exp(running_max - block_max);
      sum *= correction;
      scale(correction, out, head_dim);
      running_max = block_max;
    }
    for (int64_t j = first; j < last; ++j) {
      const float weight = std::exp(scores[j - first] - running_max);
      sum += weight;
      axpy(weight, kv.value(j), out, head_dim);
    }
    first = last;
  }
  scale(1.0f / sum, out, head_dim);
}

}  // namespace

void attention(const Context& context, ConstMatrix q, const ops::KeyValueLayout& layout, ops::AttentionMode mode,
               int64_t window, Staged<ops::AttentionSequence> sequences, Matrix out) {
  const int64_t num_key_value_heads = layout.num_key_value_heads, head_dim = layout.head_dim;
  const int64_t num_heads = q.columns / head_dim;
  const int64_t group = num_heads / num_key_value_heads;
  for (const ops::AttentionSequence& sequence : sequences.host) {
    // A query's work is about 4 operations per key and dimension, plus the exponential.
    const int64_t num_keys = sequence.first_position + sequence.num_rows - sequence.cached_begin;
    const int64_t operations = num_keys * (4 * head_dim + kExpOperations);
    parallel_for(context, sequence.num_rows * num_heads, operations, [&](int64_t task) {
      const int64_t index = task % sequence.num_rows, head = task / sequence.num_rows;
      const int64_t row = sequence.first_row + index, position = sequence.first_position + index;
      const KeyValues kv{sequence, num_key_value_heads * head_dim, head / group * head_dim};
      int64_t begin = sequence.cached_begin, end = sequence.first_position + sequence.num_rows;
      if (mode == ops::AttentionMode::kCausal) {
        end = position + 1;
        if (window > 0) begin = std::max(begin, position - window + 1);
      }
      attend(q.row(row) + head * head_dim, kv, begin, end, head_dim, out.row(row) + head * head_dim);
    });
  }
}

}  // namespace gesso::cpu
