// Encoding: causal passes over prompt tokens and committed canvases that fill the caches.
#pragma once

#include <cstdint>
#include <span>

#include "model/kv_cache.h"
#include "model/pass_context.h"

namespace gesso::model {

struct EncodeRequest {
  KvCache* cache = nullptr;
  std::span<const int32_t> ids;  // in [0, V); may be empty
};

// Appends each request's ids to its cache. The work is cut into passes of at most pass.memory.max_rows() rows, which
// may hold parts of several sequences. A sequence's result does not depend on the cut. The last layer computes only its
// keys and values. If an exception ends the call (an interrupt, for example), every cache is rewound to where it was
// before, see KvCache::rewind.
void encode(const PassContext& pass, std::span<const EncodeRequest> requests);

}  // namespace gesso::model
