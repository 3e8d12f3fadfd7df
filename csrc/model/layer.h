// One layer of the stack, for canvases and texts.
#pragma once

#include <cstdint>

#include "model/attention.h"
#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// Changes the residual stream, pass.memory.hidden [R, D], in place. In the last layer nobody reads more of a text than
// its keys and values: its rows end there, and only those of the canvases are changed.
void transformer_layer(const PassContext& pass, int64_t layer, const Batch& batch);

}  // namespace gesso::model
