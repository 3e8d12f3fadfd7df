// One layer of the stack, for both modes.
#pragma once

#include "core/context.h"
#include "model/activations.h"
#include "model/attention.h"
#include "model/batch.h"
#include "model/weights.h"

namespace gesso::model {

// h = activations.hidden [R, D], in place. kKeysAndValues stops after the cache is written.
void transformer_layer(const Context& context, const ModelConfig& config, const Weights& weights, int64_t layer,
                       AttentionPart part, const Batch& batch, Activations& activations);

}  // namespace gesso::model
