// Finds the device, and the rounding of activations, that a caller asks for by name.
#pragma once

#include <optional>
#include <string>

#include "ops/device.h"

namespace gesso {

// "cpu" gives no device, "cuda" the first GPU, "cuda:1" the GPU with index 1, and "auto" the first GPU if there is one.
// ArgumentError for other names; its message lists the devices that there are, and says why others cannot be used.
std::optional<ops::Device> choose_device(const std::string& name);

// `name` is "f32", "bf16", "int8", or "auto", which chooses what is fast on the device. No device means the CPU.
// ArgumentError for other names, and for a rounding that the device does not have.
ActivationType choose_activations(const std::string& name, const std::optional<ops::Device>& device);

}  // namespace gesso
