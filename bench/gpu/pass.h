// All memory that the ops of one denoising pass work on: scratch memory, caches with random keys and values, staged
// arrays.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "diffusion/step_memory.h"
#include "model/batch.h"
#include "model/denoise.h"
#include "model/kv_cache.h"
#include "model/pass_context.h"
#include "random_model.h"

namespace gesso::bench {

struct Pass {
  // `num_canvases` sequences with `num_cached` cached tokens each.
  Pass(RandomModel& model, int64_t num_canvases, int64_t num_cached);

  model::PassContext context() { return {model.context, model.config, model.weights, memory}; }
  int64_t num_rows() const { return batch.num_rows; }
  std::vector<model::DenoiseRequest> requests();
  model::CanvasRows canvas_rows() const { return step_memory.canvas_rows(host_head_rows); }

  RandomModel& model;
  int64_t num_cached;
  model::PassScratch memory;
  diffusion::StepMemory step_memory;
  std::deque<model::KvCache> caches;
  std::vector<int32_t> canvas;
  std::vector<ops::HeadRow> host_head_rows;
  // These are staged for single ops. A whole step stages its own.
  model::Batch batch;
  Staged<int32_t> ids;
  Staged<ops::HeadRow> head_rows;
};

}  // namespace gesso::bench
