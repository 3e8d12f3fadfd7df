#include "model/self_conditioning.h"

#include <cmath>

#include "model/moe.h"
#include "ops/add.h"
#include "ops/embed.h"
#include "ops/rms_norm.h"
#include "ops/soft_embed.h"
#include "quant/integers.h"

namespace gesso::model {
namespace {

// What may be left out beside rows that are rounded to 8 bits. It changes predictions less than the rounding does, and
// a smaller share can make head_stats several times as slow: docs/bench.md has the measurement.
constexpr double kInt8Share = 0x1p-12;

bool rounds_to_int8(const Context& context, const Weight& weight) {
  return context.activations == ActivationType::kInt8 && quant::find_integers(weight.values.dtype);
}

}  // namespace

double left_out_share(const PassContext& pass) {
  const bool rounds = rounds_to_int8(pass.context, pass.weights.self_cond_gate) &&
                      rounds_to_int8(pass.context, pass.weights.self_cond_up);
  return rounds && !pass.exact_soft_embedding ? kInt8Share : ops::kExactShare;
}

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
    const ops::Rounding rounding(kInputSlot, {&w.self_cond_gate, &w.self_cond_up});
    ops::rms_norm(
        context,
        {.x = soft_embedding, .weight = w.self_cond_pre_norm, .eps = eps, .out = normed, .rounding = rounding});
    gated_mlp(context, {normed, rounding}, w.self_cond_gate, w.self_cond_up, w.self_cond_down,
              pass.memory.gate_up(rows), signal);
    ops::add(context, {.x = signal, .residual = hidden});
  }
  ops::rms_norm(context, {.x = hidden, .weight = {}, .eps = eps, .out = hidden});
}

}  // namespace gesso::model
