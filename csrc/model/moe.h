// The feed-forward half of a layer: the dense MLP, and the routed experts (a mixture of experts).
#pragma once

#include "core/context.h"
#include "core/tensor.h"
#include "model/pass_context.h"
#include "model/weights.h"
#include "ops/activations.h"

namespace gesso::model {

// out = down(gelu_tanh(gate(x)) * up(x)).   x, out [R, D]; scratch [R, 2F].
void gated_mlp(const Context& context, const ops::Activations& x, const Weight& gate, const Weight& up,
               const Weight& down, Matrix scratch, Matrix out);

// Chooses the experts of each row, and computes them: `down` of the result has a row for each slot. The router reads
// rows of its own.   of_router, of_experts [R, D], at most expert_rows() rows. The result is in the pass scratch.
PassScratch::Experts routed_experts(const PassContext& pass, const LayerWeights& w, ConstMatrix of_router,
                                    const ops::Activations& of_experts);

}  // namespace gesso::model
