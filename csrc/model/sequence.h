// One growing text: its tokens, and the cache of those tokens that are encoded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kv_cache.h"
#include "model/pass_context.h"

namespace gesso::model {

// A copy shares the rows of the cache until one of the two appends.
struct Sequence {
  Sequence(const ModelConfig& config, const Weights& weights) : cache(config, weights.key_value_layouts) {}

  std::vector<int32_t> ids;
  KvCache cache;  // of the first cache.length() ids; the others are pending

  std::span<const int32_t> pending() const { return std::span(ids).subspan(cache.length()); }
  // Keeps the first `length` ids.
  void rewind(int64_t length) {
    ids.resize(length);
    if (cache.length() > length) cache.rewind(length);
  }
};

// Encodes the pending ids of each sequence.
void encode_pending(const PassContext& pass, std::span<Sequence* const> sequences);

}  // namespace gesso::model
