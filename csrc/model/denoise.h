// Denoising: one bidirectional pass over canvases, reading the caches.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "model/activations.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "ops/head_stats.h"

namespace gesso::model {

struct DenoiseRequest {
  KvCache* cache = nullptr;            // read only
  std::span<const int32_t> canvas;     // [C], in [0, V)
  bool has_self_conditioning = false;  // whether the belief's rows hold that of the step before; else they are not read
};

// What a step makes of n requests; row i * C + c is position c of request i.
struct CanvasRows {
  std::span<const ops::HeadRow> rows;  // [n * C]
  Matrix belief;                       // [n * C, D] of the step before in, of this step out
  ops::TokenStats stats;               // [n * C] in the device's memory
};

// Both cut their work into passes of at most activations.max_rows() rows, at least one canvas each; a canvas' result
// does not depend on the cut. On a device they return before the work is done, see ops::synchronize.

// A denoising step up to the statistics. No memory of size C x V is used.
void denoise(const Context& context, const ModelConfig& config, const Weights& weights,
             std::span<const DenoiseRequest> requests, const CanvasRows& rows, Activations& activations);

// The same up to the soft-capped logits [n * C, V]. `belief` [n * C, D] is only read.
void denoise_logits(const Context& context, const ModelConfig& config, const Weights& weights,
                    std::span<const DenoiseRequest> requests, ConstMatrix belief, Matrix logits,
                    Activations& activations);

}  // namespace gesso::model
