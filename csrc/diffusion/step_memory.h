// What a generation keeps on the device from step to step, and what comes back to the host after each step.
#pragma once

#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "core/context.h"
#include "core/tensor.h"
#include "gesso/config.h"
#include "model/denoise.h"

namespace gesso::diffusion {

// The statistics of one canvas after a step: arrays [C] on the host, valid until the next step.
struct CanvasStatistics {
  std::span<const float> entropies;  // nats
  std::span<const int32_t> argmax;
  std::span<const int32_t> sampled;
};

// Memory for at most `num_canvases` canvases at once. Results have the order of the requests of a pass.
class StepMemory {
 public:
  StepMemory(const Context& context, const ModelConfig& config, int64_t num_canvases);

  // The memory that a step over canvases with these rows reads and writes.
  model::CanvasRows canvas_rows(std::span<const ops::HeadRow> rows) const;
  // Waits for the step and fetches its statistics.
  void read_back(const Context& context);
  CanvasStatistics statistics(int64_t canvas) const;
  // Copies the soft embedding of canvas `from` to canvas `to` <= `from`.
  void move_soft_embedding(const Context& context, int64_t from, int64_t to);

 private:
  // The entropies, argmaxes and draws of all rows. The three arrays follow one another, so that one copy brings them.
  struct Words {
    float* entropy;
    int32_t *argmax, *sampled;
  };
  Words words(int32_t* data) const;

  int64_t canvas_length_, num_rows_, hidden_size_;
  Buffer<float> soft_embedding_;               // [num_rows, hidden_size]
  Buffer<int32_t> device_stats_, host_stats_;  // [3, num_rows]
};

}  // namespace gesso::diffusion
