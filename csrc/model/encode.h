// Encoding: causal passes over prompt tokens and committed canvases that fill the caches.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "model/activations.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace gesso::model {

struct EncodeRequest {
  KvCache* cache = nullptr;
  std::span<const int32_t> ids;  // in [0, V); may be empty
};

// Appends each request's ids to its cache. Work is cut into passes of at most activations.max_rows() rows, which may
// hold parts of several sequences; a sequence's result does not depend on the cut. The last layer stops at its keys and
// values. After an exception (an interrupt) every cache is rewound to where it was, see KvCache::rewind.
void encode(const Context& context, const ModelConfig& config, const Weights& weights,
            std::span<const EncodeRequest> requests, Activations& activations);

}  // namespace gesso::model
