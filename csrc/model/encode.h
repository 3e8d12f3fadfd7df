// Encoding: causal passes over prompt tokens and committed canvases, which fill the caches.
#pragma once

#include <span>

#include "model/pass.h"

namespace gesso::model {

// Appends each request's ids to its cache. The work is cut into passes of at most pass.memory.rows_per_kind() rows. A
// pass may hold parts of several sequences, and a sequence's result does not depend on the cut. The last layer computes
// only its keys and values. If an exception ends the call (an interrupt, for example), KvCache::rewind takes every
// cache back to its length before the call.
void encode(const PassContext& pass, std::span<const EncodeRequest> requests, const Observer& observer = {});

}  // namespace gesso::model
