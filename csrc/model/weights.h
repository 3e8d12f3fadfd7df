// The model's tensors by role.
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

// Field names are GGUF's. Norms are F32 [D] unless noted; a norm stored in another float type was widened once.
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

// Views into the checkpoint's bytes, or into a device's memory, see place_weights.
struct Weights {
  Tensor token_embd;                       // [V, D]
  Weight output;                           // [V, D]; token_embd itself unless the file unties the head
  Tensor output_norm, self_cond_pre_norm;  // [D]
  Weight self_cond_gate, self_cond_up;     // [F, D]
  Weight self_cond_down;                   // [D, F]
  std::vector<LayerWeights> layers;
  std::vector<ops::KeyValueLayout> key_value_layouts;  // per layer; set by place_weights
  int64_t num_bytes = 0;                               // as stored

  // Of a layer's pairs, [K / 2].
  Staged<float> inv_freq(bool is_sliding) const {
    const InverseFrequencies& which = is_sliding ? inv_freq_sliding : inv_freq_full;
    return {which.host, which.device};
  }

  struct InverseFrequencies {
    std::vector<float> host;
    const float* device = nullptr;
  };
  InverseFrequencies inv_freq_sliding, inv_freq_full;
  // What keeps the views alive: the checkpoint, the few tensors that had to be widened, a device's copy.
  std::shared_ptr<const void> owner;
  std::vector<Buffer<float>> converted;
  Buffer<std::byte> device_copy;
};

// The only place that knows tensor names. Files name and store some tensors in more than one way, and all of these
// are accepted: self_cond_norm for self_cond_pre_norm, split experts, no enc_layer_output_scale, no rope_freqs,
// `.scale` and `.input_scale` beside a weight. Missing, extra and misshapen tensors and types that cannot be computed
// with are all listed in one FormatError.
Weights load_weights(const io::GgufFile& file, const ModelConfig& config);

}  // namespace gesso::model
