#include "model/self_conditioning.h"

#include <cmath>

#include "model/moe.h"
#include "ops/add.h"
#include "ops/embed.h"
#include "ops/rms_norm.h"
#include "ops/soft_embed.h"

namespace gesso::model {

void self_conditioned_embedding(const Context& context, const ModelConfig& config, const Weights& weights,
                                std::span<const int32_t> ids, ConstMatrix z, Activations& activations, Matrix hidden) {
  const float embed_scale = std::sqrt(static_cast<float>(config.hidden_size));
  ops::embed(context, weights.token_embd, ids, embed_scale, hidden);
  if (z.rows > 0) {  // the MLP of a zero row is zero, so the first step needs none of it
    const Matrix normed = activations.normed(z.rows), signal = activations.projected(z.rows);
    ops::soft_embed(context, z, weights.token_embd, embed_scale, normed);
    ops::rms_norm(context, normed, weights.self_cond_pre_norm, config.rms_norm_eps, 1.0f, normed);
    gated_mlp(context, normed, weights.self_cond_gate, weights.self_cond_up, weights.self_cond_down,
              activations.gate_up(z.rows), signal);
    ops::add(context, signal, hidden);
  }
  ops::rms_norm(context, hidden, {}, config.rms_norm_eps, 1.0f, hidden);
}

}  // namespace gesso::model
