// What a Model shares between its copies.
#pragma once

#include "core/context.h"
#include "gesso/model.h"
#include "io/gguf.h"
#include "io/read_ahead.h"
#include "model/pass_limits.h"
#include "model/weights.h"
#include "ops/device.h"

namespace gesso {

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
