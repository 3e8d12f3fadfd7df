// What a checkpoint says about its model. Field names are those of the Hugging Face text config.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/generation.h"

namespace gesso {

// One layer of the stack.
struct LayerConfig {
  bool is_sliding = true;
  int64_t num_key_value_heads = 0;  // G
  int64_t head_dim = 0;             // K
};

struct ModelConfig {
  int64_t vocab_size = 0;               // V
  int64_t hidden_size = 0;              // D
  int64_t intermediate_size = 0;        // F, of the dense MLP and of self-conditioning
  int64_t moe_intermediate_size = 0;    // M
  int64_t num_hidden_layers = 0;        // L
  int64_t num_attention_heads = 0;      // H
  int64_t num_experts = 0;              // E
  int64_t top_k_experts = 0;            // A
  int64_t sliding_window = 0;           // W
  int64_t max_position_embeddings = 0;  // prompt and canvases together must fit
  int64_t canvas_length = 0;            // C
  float rms_norm_eps = 1e-6f;
  float final_logit_softcapping = 30.0f;
  float rope_theta_sliding = 1e4f;
  float rope_theta_full = 1e6f;
  std::vector<LayerConfig> layers;
  int32_t pad_token_id = 0;
  int32_t bos_token_id = 2;
  int32_t eos_token_id = 1;
  // The ids that stand for an image, audio or video. Prompts with one of them are refused.
  std::vector<int32_t> placeholder_token_ids;
  GenerationDefaults generation;  // see gesso/generation.h
};

}  // namespace gesso
