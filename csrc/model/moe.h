// The feed-forward half of a layer: the dense MLP, and the routed experts (a mixture of experts).
#pragma once

#include "core/context.h"
#include "core/tensor.h"
#include "model/pass_context.h"
#include "model/weights.h"

namespace gesso::model {

// out = down(gelu_tanh(gate(x)) * up(x)).   x, out [R, D]; scratch [R, 2F].
void gated_mlp(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, const Weight& down,
               Matrix scratch, Matrix out);

// out = sum over each row's experts of weight * expert(rms(h, pre_ffw_norm_2)). The router reads h through a norm of
// its own, and chooses the experts and their weights.   h, out [R, D]; normed [R, D] is scratch.
void routed_experts(const PassContext& pass, const LayerWeights& w, ConstMatrix h, Matrix normed, Matrix out);

}  // namespace gesso::model
