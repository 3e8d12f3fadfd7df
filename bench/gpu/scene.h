// What the ops of a pass read and write, and how their inputs are rounded.
#pragma once

#include <initializer_list>

#include "ops/activations.h"
#include "ops/rms_norm.h"
#include "pass.h"

namespace gesso::bench {

using model::LayerWeights;
using model::PassScratch;

// What the ops' functions need. Each keeps a copy.
struct Scene {
  Pass* pass;

  const Context& context() const { return pass->model.context; }
  const ModelConfig& config() const { return pass->model.config; }
  const model::Weights& weights() const { return pass->model.weights; }
  const LayerWeights& layer(int64_t index) const { return weights().layers[index]; }
  int64_t num_layers() const { return config().num_hidden_layers; }
  bool is_sliding(int64_t index) const { return config().layers[index].is_sliding; }

  int64_t rows() const { return pass->num_rows(); }
  Matrix hidden() const { return pass->memory.hidden(rows()); }
  Matrix normed() const { return pass->memory.normed(rows()); }
  Matrix projected() const { return pass->memory.projected(rows()); }
  Matrix gate_up() const { return pass->memory.gate_up(rows()); }
  Matrix gated() const { return gate_up().column_range(0, config().intermediate_size); }
  PassScratch::Experts experts() const { return pass->memory.experts(rows()); }
  PassScratch::Attention attention(int64_t index) const {
    return pass->memory.attention(rows(), weights().key_value_layouts[index]);
  }
};

// Inputs of products. As in a pass, the norm before has rounded them, into the slot that is named here.
inline ops::Activations input_of(const Scene& s, int slot, std::initializer_list<const Weight*> weights) {
  return {s.pass->memory.normed(s.rows(), slot), {slot, weights}};
}
inline ops::Activations attention_input(const Scene& s, int64_t layer) {
  const LayerWeights& w = s.layer(layer);
  return input_of(s, model::kInputSlot, {&w.attn_q, &w.attn_k, &w.attn_v});
}
inline ops::Activations experts_input(const Scene& s, int64_t layer) {
  const GatedWeights& w = s.layer(layer).ffn_gate_up_exps;
  return input_of(s, model::kExpertsSlot, {&w.gate_up, &w.gate, &w.up});
}
// The router's input is not rounded.
inline Matrix router_input(const Scene& s) { return s.pass->memory.normed(s.rows(), model::kRouterSlot); }
// What attention or a gated product rounds for the weight behind it.
inline ops::Rounding rounding_for(const Weight& weight) { return {model::kOutputSlot, {&weight}}; }
// The norm that makes an input.
inline ops::NormedRows norm_of(const Scene& s, const Tensor& weight, const ops::Activations& input) {
  return {.weight = weight, .out = s.pass->memory.normed(s.rows(), input.rounding.slot), .rounding = input.rounding};
}

}  // namespace gesso::bench
