// What the copies of a Model share.
#pragma once

#include <mutex>

#include "api/model_hash.h"
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
  std::vector<io::NamedTensor> tensors;  // all tensors of the checkpoint, for their names
  std::optional<Tokenizer> tokenizer;
  int num_threads = 1;
  std::optional<ops::Device> device;  // none on the CPU
  ActivationType activations = ActivationType::kF32;
  bool exact_soft_embedding = false;
  std::optional<io::ReadAhead> read_ahead;  // reads weights ahead that stay in the file; destroyed before them

  // The queue where a new session puts its work. On the CPU there is none.
  ops::QueuePointer make_queue() const { return device ? ops::make_queue(device->index) : nullptr; }
  Context context(const std::function<bool()>& interrupted, const ops::QueuePointer& queue) const {
    return {num_threads, interrupted, nullptr, queue.get(), activations};
  }
  // See model_hash(). The first call computes it, and reads what it hashes from the file.
  uint64_t hash() const {
    std::call_once(hash_once_, [this] { hash_ = model_hash(config, tensors); });
    return hash_;
  }

 private:
  mutable std::once_flag hash_once_;
  mutable uint64_t hash_ = 0;
};

}  // namespace gesso
