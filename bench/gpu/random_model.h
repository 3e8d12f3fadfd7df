// A model from a file of sparse_model.py. Its matrices are filled with random values on the device.
#pragma once

#include <string>

#include "core/context.h"
#include "gesso/config.h"
#include "model/weights.h"
#include "ops/current_device.h"
#include "ops/device.h"
#include "ops/memory.h"
#include "random_blocks.h"

namespace gesso::bench {

struct RandomModel {
  // `activations` is "auto", "bf16" or "int8".
  RandomModel(const std::string& path, int device_index, const std::string& activations);
  RandomModel(const RandomModel&) = delete;
  RandomModel& operator=(const RandomModel&) = delete;
  ~RandomModel() { ops::wait_for_leftovers(context); }

  ops::Device device;
  ops::QueuePointer queue;  // declared before all memory of its device, so that the memory is freed first
  const cuda::CurrentDevice current_device;  // the benchmark has kernels of its own
  Context context;                           // activations included
  ModelConfig config;
  model::Weights weights;
  RandomBlocks random;
};

}  // namespace gesso::bench
