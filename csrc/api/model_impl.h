// What a Model shares between its copies.
#pragma once

#include <algorithm>

#include "core/context.h"
#include "gesso/model.h"
#include "io/gguf.h"
#include "io/read_ahead.h"
#include "model/pass_memory.h"
#include "model/weights.h"
#include "ops/device.h"

namespace gesso {

// Sizes of a session's passes. On the CPU: enough rows to use decoded weights many times over, few enough that scratch
// memory stays small whatever the batch. On a device every pass reads all weights, so a prompt goes through in few of
// them, and the canvases of a batch in one as far as scratch memory (some 0.2 MB a row for the 26B model) allows.
inline model::PassLimits pass_limits(const ModelConfig& config, int64_t batch_size, bool on_device) {
  constexpr int64_t kCpuRows = 256, kCpuExpertRows = 256, kDeviceRows = 1024, kMaxDeviceRows = 2048;
  if (!on_device) {
    const int64_t rows = std::max(kCpuRows, config.canvas_length);
    return {rows, std::min(batch_size, rows), kCpuExpertRows};
  }
  const int64_t together = std::clamp(batch_size * config.canvas_length, kDeviceRows, kMaxDeviceRows);
  const int64_t rows = std::max(together, config.canvas_length);
  return {rows, std::min(batch_size, rows), rows};
}

struct Model::Impl {
  ModelConfig config;
  model::Weights weights;
  std::vector<io::NamedTensor> tensors;  // the checkpoint's, for their names
  std::optional<Tokenizer> tokenizer;
  int num_threads = 1;
  std::optional<ops::Device> device;  // none: the CPU
  ActivationType activations = ActivationType::kF32;
  std::optional<io::ReadAhead> read_ahead;  // of the weights, on the CPU; ends before they go

  // Where a session computes; none on the CPU.
  ops::QueuePointer make_queue() const { return device ? ops::make_queue(device->index) : nullptr; }
  Context context(const std::function<bool()>& interrupted, const ops::QueuePointer& queue) const {
    return {num_threads, interrupted, nullptr, queue.get(), activations};
  }
};

}  // namespace gesso
