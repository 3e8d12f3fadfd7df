// Denoising: bidirectional passes over canvases, which read the caches.
#pragma once

#include <span>

#include "core/tensor.h"
#include "model/pass.h"
#include "ops/head_stats.h"

namespace gesso::model {

// The rows of n requests. A step reads and writes them beside the canvases. Row i * C + c is position c of request i.
struct CanvasRows {
  std::span<const ops::HeadRow> rows;  // [n * C]
  Matrix soft_embedding;               // [n * C, D] on entry that of the step before, on return that of this step
  ops::TokenStats stats;               // [n * C] in the device's memory
};

// Both functions cut their work into passes of at most pass.memory.max_rows() rows, of which at most
// pass.memory.rows_per_kind() are of canvases. A pass has at least one canvas, and a request is not cut. The
// result of a canvas does not depend on the cut. On a device they may return before the work is done: see
// ops::synchronize.

// One denoising step up to the statistics of the logits. No memory of size C x V is used. Each request must fit a pass:
// its text has at most pass.memory.text_rows(C) ids. After an exception the caller must rewind the caches of requests
// with a text.
void denoise(const PassContext& pass, std::span<const DenoiseRequest> requests, const CanvasRows& rows);

// The same up to the soft-capped logits [n * C, V]. `soft_embedding` [n * C, D] is read and not written.
void denoise_logits(const PassContext& pass, std::span<const DenoiseRequest> requests, ConstMatrix soft_embedding,
                    Matrix logits);

// Runs the layers for one request and shows their rows. Afterwards pass.memory.normed [C, D] has the final rows.
void observe_denoising(const PassContext& pass, const DenoiseRequest& request, ConstMatrix soft_embedding,
                       const Observer& observer);

}  // namespace gesso::model
