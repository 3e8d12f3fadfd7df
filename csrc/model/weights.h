// The model's tensors, by role.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "core/context.h"
#include "core/staged.h"
#include "gesso/config.h"
#include "io/gguf.h"
#include "ops/key_value_layout.h"
#include "ops/weight.h"

namespace gesso::model {

// Field names are GGUF's. Norms are F32 [D] unless noted. A norm that the file stores in another float type was
// widened.
struct LayerWeights {
  Tensor attn_norm, post_attention_norm, ffn_norm, post_ffw_norm_1, pre_ffw_norm_2, post_ffw_norm_2, post_ffw_norm;
  Tensor attn_q_norm, attn_k_norm;      // [K]
  Weight attn_q, attn_k;                // [H * K, D], [G * K, D]
  Weight attn_v;                        // [G * K, D]; absent where the values are the keys' projection (full layers)
  Weight attn_output;                   // [D, H * K]
  Weight ffn_gate, ffn_up;              // [F, D]
  Weight ffn_down;                      // [D, F]
  Weight ffn_gate_inp;                  // router [E, D]
  Tensor ffn_gate_inp_scale;            // [D]
  GatedWeights ffn_gate_up_exps;        // [E, 2M, D], gate rows first; or two of [E, M, D]
  Weight ffn_down_exps;                 // [E, D, M]
  Tensor ffn_down_exps_scale;           // per_expert_scale [E]
  float layer_output_scale = 1.0f;      // denoise
  float enc_layer_output_scale = 1.0f;  // encode
};

// Views of the checkpoint's bytes, or of their copy in a device's memory: see place_weights.
struct Weights {
  Tensor token_embd;                       // [V, D]
  Weight output;                           // [V, D]; token_embd itself unless the file unties the head
  Tensor output_norm, self_cond_pre_norm;  // [D]
  Weight self_cond_gate, self_cond_up;     // [F, D]
  Weight self_cond_down;                   // [D, F]
  std::vector<LayerWeights> layers;
  std::vector<ops::KeyValueLayout> key_value_layouts;  // per layer; set by place_weights
  int64_t num_bytes = 0;                               // as stored

  // The frequencies for the pairs of a layer, [K / 2].
  Staged<float> inv_freq(bool is_sliding) const {
    const InverseFrequencies& which = is_sliding ? inv_freq_sliding : inv_freq_full;
    return {which.host, which.device};
  }

  struct InverseFrequencies {
    std::vector<float> host;
    const float* device = nullptr;
  };
  InverseFrequencies inv_freq_sliding, inv_freq_full;
  // These keep the views alive: the checkpoint, the few tensors that had to be widened, and a device's copy.
  std::shared_ptr<const void> owner;
  std::vector<Buffer<float>> converted;
  Buffer<std::byte> device_copy;
};

// No other function knows the names of tensors. Files differ in some names and in how they store some tensors, and all
// of these are accepted: self_cond_norm for self_cond_pre_norm, split experts, no enc_layer_output_scale, no
// rope_freqs, `.scale` and `.input_scale` beside a weight. One FormatError lists all tensors that are missing, unknown,
// of a wrong shape, or of a type that cannot be computed with.
Weights load_weights(const io::GgufFile& file, const ModelConfig& config);

}  // namespace gesso::model
