// A tiny random model that is built in memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "gesso/checkpoint.h"

namespace gesso::tests {

struct TinySizes {
  int64_t vocab = 37, hidden = 24, ffn = 20, expert_ffn = 12, heads = 4, experts = 5, active = 2;
  int64_t head_dim_sliding = 6, head_dim_full = 8, kv_heads_sliding = 2, kv_heads_full = 1;
  int64_t window = 5, context = 200, canvas = 7;
  std::vector<int64_t> is_sliding = {1, 0, 1};
  // A text with this token has numbers that are not finite: its embedding is NaN. The head is a tensor of its own,
  // which makes the token improbable: at a low temperature the soft embedding leaves it out. -1: there is no such
  // token.
  int64_t broken_token = -1;
};

class TinyCheckpoint {
 public:
  explicit TinyCheckpoint(const TinySizes& sizes = {}) : sizes_(sizes) {
    set_metadata();
    add_globals();
    for (size_t layer = 0; layer < sizes_.is_sliding.size(); ++layer) add_layer(static_cast<int64_t>(layer));
  }

  const Checkpoint& get() const { return checkpoint_; }

 private:
  void set_metadata() {
    const auto key = [](const char* name) { return "diffusion-gemma." + std::string(name); };
    std::vector<int64_t> kv_heads;
    for (int64_t sliding : sizes_.is_sliding)
      kv_heads.push_back(sliding ? sizes_.kv_heads_sliding : sizes_.kv_heads_full);
    checkpoint_.set("general.architecture", std::string("diffusion-gemma"));
    checkpoint_.set(key("block_count"), std::ssize(sizes_.is_sliding));
    checkpoint_.set(key("context_length"), sizes_.context);
    checkpoint_.set(key("embedding_length"), sizes_.hidden);
    checkpoint_.set(key("feed_forward_length"), sizes_.ffn);
    checkpoint_.set(key("expert_feed_forward_length"), sizes_.expert_ffn);
    checkpoint_.set(key("attention.head_count"), sizes_.heads);
    checkpoint_.set(key("attention.head_count_kv"), kv_heads);
    checkpoint_.set(key("attention.sliding_window_pattern"), sizes_.is_sliding);
    checkpoint_.set(key("attention.sliding_window"), sizes_.window);
    checkpoint_.set(key("attention.key_length"), sizes_.head_dim_full);
    checkpoint_.set(key("attention.key_length_swa"), sizes_.head_dim_sliding);
    checkpoint_.set(key("attention.layer_norm_rms_epsilon"), 1e-6);
    checkpoint_.set(key("rope.freq_base"), 1e6);
    checkpoint_.set(key("rope.freq_base_swa"), 1e4);
    checkpoint_.set(key("expert_count"), sizes_.experts);
    checkpoint_.set(key("expert_used_count"), sizes_.active);
    checkpoint_.set(key("final_logit_softcapping"), 30.0);
    checkpoint_.set("diffusion.canvas_length", sizes_.canvas);
    checkpoint_.set("gesso.end_token_ids", std::vector<int64_t>{1});
  }

  void add_globals() {
    add("token_embd.weight", {sizes_.vocab, sizes_.hidden});
    if (sizes_.broken_token >= 0) add("output.weight", {sizes_.vocab, sizes_.hidden});
    add("output_norm.weight", {sizes_.hidden});
    add("self_cond_pre_norm.weight", {sizes_.hidden});
    add("self_cond_gate.weight", {sizes_.ffn, sizes_.hidden});
    add("self_cond_up.weight", {sizes_.ffn, sizes_.hidden});
    add("self_cond_down.weight", {sizes_.hidden, sizes_.ffn});
  }

  void add_layer(int64_t index) {
    const TinySizes& s = sizes_;
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const bool sliding = s.is_sliding[index];
    const int64_t head_dim = sliding ? s.head_dim_sliding : s.head_dim_full;
    const int64_t kv_size = (sliding ? s.kv_heads_sliding : s.kv_heads_full) * head_dim;
    for (const char* norm : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm_1", "pre_ffw_norm_2",
                             "post_ffw_norm_2", "post_ffw_norm"}) {
      add(prefix + norm + ".weight", {s.hidden});
    }
    add(prefix + "attn_q.weight", {s.heads * head_dim, s.hidden});
    add(prefix + "attn_k.weight", {kv_size, s.hidden});
    if (sliding) add(prefix + "attn_v.weight", {kv_size, s.hidden});
    add(prefix + "attn_output.weight", {s.hidden, s.heads * head_dim});
    add(prefix + "attn_q_norm.weight", {head_dim});
    add(prefix + "attn_k_norm.weight", {head_dim});
    add(prefix + "ffn_gate.weight", {s.ffn, s.hidden});
    add(prefix + "ffn_up.weight", {s.ffn, s.hidden});
    add(prefix + "ffn_down.weight", {s.hidden, s.ffn});
    add(prefix + "ffn_gate_inp.weight", {s.experts, s.hidden});
    add(prefix + "ffn_gate_inp.scale", {s.hidden});
    add(prefix + "ffn_gate_up_exps.weight", {s.experts, 2 * s.expert_ffn, s.hidden});
    add(prefix + "ffn_down_exps.weight", {s.experts, s.hidden, s.expert_ffn});
    add(prefix + "ffn_down_exps.scale", {s.experts});
    add(prefix + "layer_output_scale.weight", {1});
  }

  // The values of vectors lie around 1, those of matrices around 0.
  void add(const std::string& name, const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (int64_t extent : shape) size *= extent;
    auto values = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < size; ++i) {
      const DrawKey key{std::hash<std::string>()(name), i, 0};
      const float uniform = static_cast<float>(draw_words(key, Draw::kSample, 0)[0]) * 0x1p-31f - 1.0f;
      values->push_back(shape.size() == 1 ? 1.0f + 0.3f * uniform : 0.5f * uniform);
    }
    if (sizes_.broken_token >= 0) break_token(name, *values);
    checkpoint_.add_tensor(name, "F32", shape, std::as_bytes(std::span(*values)), values);
  }

  void break_token(const std::string& name, std::vector<float>& values) const {
    const auto row = values.begin() + sizes_.broken_token * sizes_.hidden;
    if (name == "token_embd.weight") std::fill(row, row + sizes_.hidden, NAN);
    if (name != "output.weight") return;
    for (float& value : values) value *= 6;
    std::fill(row, row + sizes_.hidden, 0.0f);
  }

  TinySizes sizes_;
  Checkpoint checkpoint_;
};

}  // namespace gesso::tests
