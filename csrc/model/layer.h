// One layer of the stack, for canvases and texts.
#pragma once

#include <cstdint>

#include "model/attention.h"
#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// Makes the first layer's input of the residual stream. Each layer makes that of the next one, and the last layer the
// head's: pass.memory.normed.
void begin_layers(const PassContext& pass, const Batch& batch);

// Changes the residual stream, pass.memory.hidden [R, D], in place. In the last layer nobody reads more of a text than
// its keys and values: its rows end there, and only those of the canvases are changed.
void transformer_layer(const PassContext& pass, int64_t layer, const Batch& batch);

}  // namespace gesso::model
