// From what a caller asks for to a device.
#pragma once

#include <optional>
#include <string>

#include "ops/device.h"

namespace gesso {

// "cpu": none. "cuda": the first GPU; "cuda:1": that one. "auto": the first GPU if there is one. ArgumentError names
// what there is.
std::optional<ops::Device> choose_device(const std::string& name);

// "bf16", "int8", or "auto": what pays on the device. ArgumentError.
ActivationType choose_activations(const std::string& name, const ops::Device& device);

}  // namespace gesso
