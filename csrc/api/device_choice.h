// From what a caller asks for to a device.
#pragma once

#include <optional>
#include <string>

#include "ops/device.h"

namespace gesso {

// "cpu": none. "cuda": the first GPU; "cuda:1": that one. "auto": the first GPU if there is one. ArgumentError names
// what there is.
std::optional<ops::Device> choose_device(const std::string& name);

// "f32", "bf16", "int8", or "auto": what pays on the device (none: the CPU). ArgumentError, also for what is not there.
ActivationType choose_activations(const std::string& name, const std::optional<ops::Device>& device);

}  // namespace gesso
