// The feed-forward half of a layer: a dense MLP beside the routed experts.
#pragma once

#include "core/context.h"
#include "model/activations.h"
#include "model/weights.h"

namespace gesso::model {

// down(gelu_tanh(gate(x)) * up(x)).   x, out [R, D]; scratch [R, 2F].
void gated_mlp(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, const Weight& down,
               Matrix scratch, Matrix out);

// dense = rms(mlp(rms(h, ffn_norm)), post_ffw_norm_1);  moe = rms(experts(rms(h, pre_ffw_norm_2)), post_ffw_norm_2),
// with the router reading h itself;  h = (h + rms(dense + moe, post_ffw_norm)) * layer_scalar.   h = activations.hidden
// [R, D].
void feed_forward_block(const Context& context, const ModelConfig& config, const LayerWeights& weights,
                        float layer_scalar, int64_t rows, Activations& activations);

}  // namespace gesso::model
