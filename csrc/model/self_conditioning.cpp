#include "model/self_conditioning.h"

#include <cmath>

#include "model/moe.h"
#include "ops/add.h"
#include "ops/embed.h"
#include "ops/rms_norm.h"

namespace gesso::model {

float embed_scale(const ModelConfig& config) { return std::sqrt(static_cast<float>(config.hidden_size)); }

void self_conditioned_embedding(const Context& context, const ModelConfig& config, const Weights& weights,
                                Staged<int32_t> ids, ConstMatrix belief, Activations& activations, Matrix hidden) {
  ops::embed(context, weights.token_embd, ids, embed_scale(config), hidden);
  if (belief.rows > 0) {  // the MLP of a zero row is zero, so the first step needs none of it
    const Matrix normed = activations.normed(belief.rows), signal = activations.projected(belief.rows);
    ops::rms_norm(context, belief, weights.self_cond_pre_norm, config.rms_norm_eps, 1.0f, normed);
    gated_mlp(context, normed, weights.self_cond_gate, weights.self_cond_up, weights.self_cond_down,
              activations.gate_up(belief.rows), signal);
    ops::add(context, signal, hidden);
  }
  ops::rms_norm(context, hidden, {}, config.rms_norm_eps, 1.0f, hidden);
}

}  // namespace gesso::model
