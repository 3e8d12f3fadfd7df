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

// One pass: a step of each canvas up to the statistics of the logits, and texts of other sequences beside them. No
// memory of size C x V is used. All rows must fit: canvases have at most pass.memory.rows_per_kind() rows, and all
// together pass.memory.max_rows(). On a device it may return before the work is done: see ops::synchronize. After an
// exception the caller must rewind the caches that got a text.
void step(const PassContext& pass, std::span<const DenoiseRequest> canvases, std::span<const EncodeRequest> texts,
          const CanvasRows& rows);

// A step of any number of canvases up to the soft-capped logits [n * C, V], in as many passes as it takes. The result
// of a canvas does not depend on how they are cut. `soft_embedding` [n * C, D] is read and not written.
void denoise_logits(const PassContext& pass, std::span<const DenoiseRequest> requests, ConstMatrix soft_embedding,
                    Matrix logits);

// Runs the layers for one request and shows their rows. Afterwards pass.memory.normed [C, D] has the final rows.
void observe_denoising(const PassContext& pass, const DenoiseRequest& request, ConstMatrix soft_embedding,
                       const Observer& observer);

}  // namespace gesso::model
