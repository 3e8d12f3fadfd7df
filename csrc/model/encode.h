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

// Appends each request's ids to its cache. Work is cut into passes of at most pass.memory.max_rows() rows, which may
// hold parts of several sequences; a sequence's result does not depend on the cut. The last layer stops at its keys and
// values. After an exception (an interrupt) every cache is rewound to where it was, see KvCache::rewind.
void encode(const PassContext& pass, std::span<const EncodeRequest> requests);

}  // namespace gesso::model
