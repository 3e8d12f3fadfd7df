#include "model/pass_scratch.h"

#include <algorithm>

#include "ops/attention.h"
#include "ops/head_stats.h"
#include "ops/qk_norm_rope.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

constexpr int64_t kFloatBytes = sizeof(float);

// How many floats one row of keys or values takes. The rows of the canvas' own keys follow each other without gaps.
int64_t row_floats(int64_t row_bytes) { return (row_bytes + kFloatBytes - 1) / kFloatBytes; }

int64_t attention_floats(const ModelConfig& config, const ops::KeyValueLayout& layout) {
  return 2 * config.num_attention_heads * layout.head_dim + 2 * layout.num_key_value_heads * layout.head_dim +
         row_floats(layout.key_row_bytes) + row_floats(layout.value_row_bytes);
}

// Room for aligning the canvas' own keys and values to 16 bytes. A device copies them 16 bytes at a time.
constexpr int64_t kAlignmentFloats = 8;

// How many floats the largest part of a layer takes.
int64_t scratch_size(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts,
                     const PassLimits& limits) {
  int64_t attention = 0;
  for (const ops::KeyValueLayout& layout : layouts) attention = std::max(attention, attention_floats(config, layout));
  const int64_t experts =
      config.num_experts + config.top_k_experts * (2 * config.moe_intermediate_size + config.hidden_size);
  return std::max(limits.max_rows * std::max(attention, 2 * config.intermediate_size) + kAlignmentFloats,
                  limits.expert_rows * experts);
}

int64_t num_expert_ids(const ModelConfig& config, const PassLimits& limits) {
  return 3 * limits.expert_rows * config.top_k_experts + config.num_experts + 1;
}

// Bytes for the ids, the arrays of attention for each layer, and the options of the head.
int64_t staging_bytes(const ModelConfig& config, const PassLimits& limits) {
  const auto bytes = [](int64_t count, size_t size) { return Staging::num_bytes(count * static_cast<int64_t>(size)); };
  // A sequence may have a canvas and a text in the same pass.
  const int64_t per_layer = bytes(2 * limits.max_sequences, sizeof(ops::KeyValueRows)) +
                            2 * bytes(limits.max_sequences, sizeof(ops::AttentionSequence));
  return bytes(limits.max_rows, sizeof(int32_t)) + config.num_hidden_layers * per_layer +
         bytes(limits.max_rows, sizeof(ops::HeadRow));
}

}  // namespace

PassScratch::PassScratch(const Context& context, const ModelConfig& config,
                         const std::vector<ops::KeyValueLayout>& layouts, const PassLimits& limits)
    : limits_(limits),
      hidden_size_(config.hidden_size),
      intermediate_size_(config.intermediate_size),
      moe_intermediate_size_(config.moe_intermediate_size),
      num_heads_(config.num_attention_heads),
      num_experts_(config.num_experts),
      num_active_(config.top_k_experts),
      hidden_(ops::allocate<float>(context, limits.max_rows * config.hidden_size)),
      normed_(ops::allocate<float>(context, ops::kMaxNormedRows * limits.max_rows * config.hidden_size)),
      projected_(ops::allocate<float>(context, limits.max_rows * config.hidden_size)),
      feed_forward_sum_(ops::allocate<float>(context, limits.max_rows * config.hidden_size)),
      scratch_(ops::allocate<float>(context, scratch_size(config, layouts, limits))),
      expert_weights_(ops::allocate<float>(context, limits.expert_rows * config.top_k_experts)),
      expert_ids_(ops::allocate<int32_t>(context, num_expert_ids(config, limits))),
      staging_(context, staging_bytes(config, limits)) {}

int64_t PassScratch::num_bytes(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts,
                               const PassLimits& limits) {
  constexpr int64_t kMatrices = 3 + ops::kMaxNormedRows;  // hidden, projected, feed_forward_sum; normed
  const int64_t rows = kMatrices * limits.max_rows * config.hidden_size;
  const int64_t routing = limits.expert_rows * config.top_k_experts + num_expert_ids(config, limits);
  return (rows + scratch_size(config, layouts, limits) + routing) * kFloatBytes + staging_bytes(config, limits);
}

PassScratch::Attention PassScratch::attention(int64_t rows, const ops::KeyValueLayout& layout) {
  const int64_t q_size = num_heads_ * layout.head_dim, kv_size = layout.num_key_value_heads * layout.head_dim;
  float* next = scratch_.data();
  const auto take = [&](int64_t columns) {
    const Matrix matrix(next, rows, columns);
    next += rows * columns;
    return matrix;
  };
  const auto take_rows = [&](int64_t row_bytes) {
    next += (scratch_.data() - next) & 3;  // aligns `next` to 16 bytes
    std::byte* bytes = reinterpret_cast<std::byte*>(next);
    next += rows * row_floats(row_bytes);
    return bytes;
  };
  Attention attention{take(q_size), take(q_size), take(kv_size), take(kv_size)};
  attention.own_keys = take_rows(layout.key_row_bytes);
  attention.own_values = take_rows(layout.value_row_bytes);
  attention.key_row_bytes = layout.key_row_bytes;
  attention.value_row_bytes = layout.value_row_bytes;
  return attention;
}

PassScratch::Experts PassScratch::experts(int64_t rows) {
  const int64_t pairs = rows * num_active_;
  Experts experts;
  experts.scores = {scratch_.data(), rows, num_experts_};
  experts.gate_up = {scratch_.data() + rows * num_experts_, pairs, 2 * moe_intermediate_size_};
  experts.down = {experts.gate_up.data + pairs * 2 * moe_intermediate_size_, pairs, hidden_size_};
  int32_t* ids = expert_ids_.data();
  experts.routing = {num_active_,
                     {ids, static_cast<size_t>(pairs)},
                     {expert_weights_.data(), static_cast<size_t>(pairs)},
                     {ids + pairs, static_cast<size_t>(pairs)},
                     {ids + 2 * pairs, static_cast<size_t>(pairs)},
                     {ids + 3 * pairs, static_cast<size_t>(num_experts_ + 1)}};
  return experts;
}

}  // namespace gesso::model
