// Puts weights where a context's ops read them.
#pragma once

#include <cstdint>
#include <functional>

#include "core/context.h"
#include "gesso/config.h"
#include "model/weights.h"
#include "ops/device.h"

namespace gesso::model {

// Is called with the bytes that have arrived, and the bytes in all.
using PlaceProgress = std::function<void(int64_t done, int64_t total)>;

// Chooses the layouts of keys and values. On a device with memory of its own every tensor is then copied to it once, in
// the file's order and as stored. On a device that reads the host's memory the tensors stay views of the file; only
// those at addresses that kernels cannot use are copied. OutOfMemory, before anything is copied, when they do not fit.
void place_weights(const Context& context, const ModelConfig& config, const ops::Device& device, Weights& weights,
                   const PlaceProgress& progress);

}  // namespace gesso::model
