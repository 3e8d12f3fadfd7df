#include "model/weights.h"

#include "core/check.h"
#include "model/rope.h"
#include "model/tensor_table.h"

namespace gesso::model {
namespace {

void load_rope(TensorTable& table, const ModelConfig& config, Weights& weights) {
  table.ignore("rope_freqs.weight");  // a model without full layers does not use it
  for (const LayerConfig& layer : config.layers) {
    std::vector<float>& inv_freq = (layer.is_sliding ? weights.inv_freq_sliding : weights.inv_freq_full).host;
    if (!inv_freq.empty()) continue;
    if (layer.is_sliding) {
      inv_freq = inverse_frequencies(config.rope_theta_sliding, layer.head_dim, nullptr);
      continue;
    }
    const int64_t num_pairs = layer.head_dim / 2;
    std::vector<float> factors = default_rope_factors(num_pairs);
    if (table.has("rope_freqs.weight")) {
      const Tensor stored = table.vector("rope_freqs.weight", num_pairs, weights.converted);
      if (stored) factors.assign(stored.f32(), stored.f32() + num_pairs);
    }
    inv_freq = inverse_frequencies(config.rope_theta_full, layer.head_dim, factors.data());
  }
}

void load_attention(TensorTable& table, const ModelConfig& config, const LayerConfig& layer, const std::string& prefix,
                    std::vector<Buffer<float>>& converted, LayerWeights& out) {
  const int64_t hidden = config.hidden_size;
  const int64_t q_size = config.num_attention_heads * layer.head_dim;
  const int64_t kv_size = layer.num_key_value_heads * layer.head_dim;
  out.attn_norm = table.vector(prefix + "attn_norm.weight", hidden, converted);
  out.attn_q = table.matrix(prefix + "attn_q", {q_size, hidden});
  out.attn_k = table.matrix(prefix + "attn_k", {kv_size, hidden});
  // Full layers have no V projection in this architecture. If a file stores one anyway, it is used.
  out.attn_v = layer.is_sliding ? table.matrix(prefix + "attn_v", {kv_size, hidden})
                                : table.optional_matrix(prefix + "attn_v", {kv_size, hidden});
  out.attn_output = table.matrix(prefix + "attn_output", {hidden, q_size});
  out.attn_q_norm = table.vector(prefix + "attn_q_norm.weight", layer.head_dim, converted);
  out.attn_k_norm = table.vector(prefix + "attn_k_norm.weight", layer.head_dim, converted);
  out.post_attention_norm = table.vector(prefix + "post_attention_norm.weight", hidden, converted);
}

void load_experts(TensorTable& table, const ModelConfig& config, const std::string& prefix,
                  std::vector<Buffer<float>>& converted, LayerWeights& out) {
  const int64_t hidden = config.hidden_size, experts = config.num_experts, ffn = config.moe_intermediate_size;
  out.ffn_gate_inp.values = table.values(prefix + "ffn_gate_inp.weight", {experts, hidden});
  out.ffn_gate_inp_scale = table.vector(prefix + "ffn_gate_inp.scale", hidden, converted);
  if (table.has(prefix + "ffn_gate_exps.weight")) {
    out.ffn_gate_up_exps.gate = table.matrix(prefix + "ffn_gate_exps", {experts, ffn, hidden});
    out.ffn_gate_up_exps.up = table.matrix(prefix + "ffn_up_exps", {experts, ffn, hidden});
  } else {
    out.ffn_gate_up_exps.gate_up = table.matrix(prefix + "ffn_gate_up_exps", {experts, 2 * ffn, hidden});
  }
  // The file's `.scale` of this matrix is the router's per_expert_scale, which becomes part of the routing weights.
  out.ffn_down_exps.values = table.values(prefix + "ffn_down_exps.weight", {experts, hidden, ffn});
  table.ignore(prefix + "ffn_down_exps.input_scale");
  out.ffn_down_exps_scale = table.vector(prefix + "ffn_down_exps.scale", experts, converted);
}

LayerWeights load_layer(TensorTable& table, const ModelConfig& config, int64_t index,
                        std::vector<Buffer<float>>& converted) {
  const std::string prefix = concat("blk.", index, ".");
  const int64_t hidden = config.hidden_size, ffn = config.intermediate_size;
  LayerWeights out;
  load_attention(table, config, config.layers[index], prefix, converted, out);
  out.ffn_norm = table.vector(prefix + "ffn_norm.weight", hidden, converted);
  out.ffn_gate = table.matrix(prefix + "ffn_gate", {ffn, hidden});
  out.ffn_up = table.matrix(prefix + "ffn_up", {ffn, hidden});
  out.ffn_down = table.matrix(prefix + "ffn_down", {hidden, ffn});
  out.post_ffw_norm_1 = table.vector(prefix + "post_ffw_norm_1.weight", hidden, converted);
  out.pre_ffw_norm_2 = table.vector(prefix + "pre_ffw_norm_2.weight", hidden, converted);
  out.post_ffw_norm_2 = table.vector(prefix + "post_ffw_norm_2.weight", hidden, converted);
  out.post_ffw_norm = table.vector(prefix + "post_ffw_norm.weight", hidden, converted);
  load_experts(table, config, prefix, converted, out);
  out.layer_output_scale = table.scalar(prefix + "layer_output_scale.weight");
  const std::string enc_scale = prefix + "enc_layer_output_scale.weight";
  out.enc_layer_output_scale = table.has(enc_scale) ? table.scalar(enc_scale) : out.layer_output_scale;
  return out;
}

}  // namespace

Weights load_weights(const io::GgufFile& file, const ModelConfig& config) {
  TensorTable table(file);
  Weights weights;
  weights.owner = file.owner;
  const int64_t hidden = config.hidden_size, ffn = config.intermediate_size, vocab = config.vocab_size;
  weights.token_embd = table.values("token_embd.weight", {vocab, hidden});
  weights.output = table.optional_matrix("output", {vocab, hidden});
  if (!weights.output) weights.output.values = weights.token_embd;
  weights.output_norm = table.vector("output_norm.weight", hidden, weights.converted);
  const bool alias = table.has("self_cond_norm.weight") && !table.has("self_cond_pre_norm.weight");
  weights.self_cond_pre_norm =
      table.vector(alias ? "self_cond_norm.weight" : "self_cond_pre_norm.weight", hidden, weights.converted);
  weights.self_cond_gate = table.matrix("self_cond_gate", {ffn, hidden});
  weights.self_cond_up = table.matrix("self_cond_up", {ffn, hidden});
  weights.self_cond_down = table.matrix("self_cond_down", {hidden, ffn});
  load_rope(table, config, weights);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    weights.layers.push_back(load_layer(table, config, i, weights.converted));
  }
  table.finish();
  weights.inv_freq_sliding.device = weights.inv_freq_sliding.host.data();
  weights.inv_freq_full.device = weights.inv_freq_full.host.data();
  for (const io::NamedTensor& named : file.tensors) weights.num_bytes += named.tensor.num_bytes();
  return weights;
}

}  // namespace gesso::model
