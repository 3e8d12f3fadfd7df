#include "model/self_conditioning.h"

#include <cmath>

#include "model/moe.h"
#include "ops/add.h"
#include "ops/embed.h"
#include "ops/rms_norm.h"

namespace gesso::model {

float embed_scale(const ModelConfig& config) { return std::sqrt(static_cast<float>(config.hidden_size)); }

void self_conditioned_embedding(const PassContext& pass, Staged<int32_t> ids, ConstMatrix soft_embedding,
                                Matrix hidden) {
  const Context& context = pass.context;
  const Weights& w = pass.weights;
  const float eps = pass.config.rms_norm_eps;
  ops::embed(context, {.table = w.token_embd, .ids = ids, .scale = embed_scale(pass.config), .out = hidden});
  const int64_t rows = soft_embedding.rows;
  if (rows > 0) {  // the MLP of a zero row is zero, so the first step skips it
    const Matrix normed = pass.memory.normed(rows), signal = pass.memory.projected(rows);
    ops::rms_norm(context, {.x = soft_embedding, .weight = w.self_cond_pre_norm, .eps = eps, .out = normed});
    gated_mlp(context, normed, w.self_cond_gate, w.self_cond_up, w.self_cond_down, pass.memory.gate_up(rows), signal);
    ops::add(context, {.x = signal, .residual = hidden});
  }
  ops::rms_norm(context, {.x = hidden, .weight = {}, .eps = eps, .out = hidden});
}

}  // namespace gesso::model
