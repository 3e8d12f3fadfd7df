// One layer of the stack, for both modes.
#pragma once

#include <cstdint>

#include "model/attention.h"
#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// Changes the residual stream, pass.memory.hidden [R, D], in place. With kKeysAndValues it ends when the keys and
// values are written.
void transformer_layer(const PassContext& pass, int64_t layer, AttentionPart part, const Batch& batch);

}  // namespace gesso::model
