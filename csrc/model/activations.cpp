#include "model/activations.h"

#include <algorithm>

namespace gesso::model {
namespace {

// Scratch floats of the hungriest phase.
int64_t scratch_size(const ModelConfig& config, int64_t max_rows) {
  int64_t attention = 0;
  for (const LayerConfig& layer : config.layers) {
    attention = std::max(
        attention, 2 * config.num_attention_heads * layer.head_dim + 4 * layer.num_key_value_heads * layer.head_dim);
  }
  const int64_t experts =
      config.num_experts + config.top_k_experts * (2 * config.moe_intermediate_size + config.hidden_size);
  const int64_t expert_rows = std::min(max_rows, Activations::kExpertRows);
  return std::max(max_rows * std::max(attention, 2 * config.intermediate_size), expert_rows * experts);
}

}  // namespace

Activations::Activations(const ModelConfig& config, int64_t max_rows)
    : max_rows_(max_rows),
      hidden_size_(config.hidden_size),
      intermediate_size_(config.intermediate_size),
      moe_intermediate_size_(config.moe_intermediate_size),
      num_heads_(config.num_attention_heads),
      num_experts_(config.num_experts),
      num_active_(config.top_k_experts),
      hidden_(max_rows * config.hidden_size),
      normed_(max_rows * config.hidden_size),
      projected_(max_rows * config.hidden_size),
      dense_(max_rows * config.hidden_size),
      scratch_(scratch_size(config, max_rows)),
      expert_weights_(kExpertRows * config.top_k_experts),
      expert_ids_(3 * kExpertRows * config.top_k_experts + config.num_experts + 1) {}

int64_t Activations::num_bytes(const ModelConfig& config, int64_t max_rows) {
  const int64_t rows = 4 * max_rows * config.hidden_size;  // hidden, normed, projected, dense
  const int64_t routing = 4 * kExpertRows * config.top_k_experts + config.num_experts + 1;
  return (rows + scratch_size(config, max_rows) + routing) * static_cast<int64_t>(sizeof(float));
}

Activations::Attention Activations::attention(int64_t rows, const LayerConfig& layer) {
  const int64_t q_size = num_heads_ * layer.head_dim, kv_size = layer.num_key_value_heads * layer.head_dim;
  float* next = scratch_.data();
  const auto take = [&](int64_t columns) {
    const Matrix matrix(next, rows, columns);
    next += rows * columns;
    return matrix;
  };
  return {take(q_size), take(q_size), take(kv_size), take(kv_size), take(kv_size), take(kv_size)};
}

Activations::Experts Activations::experts(int64_t rows) {
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
