// Denoising: one bidirectional pass over canvases, reading the caches.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "model/activations.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace gesso::model {

struct DenoiseRequest {
  KvCache* cache = nullptr;            // read only
  std::span<const int32_t> canvas;     // [C], in [0, V)
  bool has_self_conditioning = false;  // whether `logits` holds the processed logits z of the step before
  Matrix logits;                       // [C, V]: z in, this step's soft-capped logits out
};

// Work is cut into passes of at most activations.max_rows() rows, at least one canvas each; a canvas' result does not
// depend on the cut. No memory of size C x V is used besides the requests' own.
void denoise(const Context& context, const ModelConfig& config, const Weights& weights,
             std::span<const DenoiseRequest> requests, Activations& activations);

}  // namespace gesso::model
