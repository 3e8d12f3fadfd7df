#include "ops/device.h"

#include "core/check.h"
#include "ops/dispatch.h"

namespace gesso::ops {

std::vector<Device> devices() {
  if constexpr (kHasCuda) return cuda::devices();
  return {};
}

std::string device_problem() {
  if constexpr (kHasCuda) return cuda::device_problem();
  return "";
}

bool has_device_backend() { return kHasCuda; }

QueuePointer make_queue([[maybe_unused]] int device) {
  if constexpr (kHasCuda) return cuda::make_queue(device);
  throw ArgumentError("this build of gesso has no CUDA backend");
}

ActivationType default_activations(const Device& device) {
  if constexpr (kHasCuda) return cuda::default_activations(device.arch);
  return ActivationType::kBF16;  // never reached: a build without CUDA has no such device
}

int64_t allocated_bytes(int device) {
  if constexpr (kHasCuda) return cuda::allocated_bytes(device);
  return 0;
}

int64_t free_bytes(int device) {
  if constexpr (kHasCuda) return cuda::free_bytes(device);
  return 0;
}

void set_early_starts([[maybe_unused]] bool on) {
  if constexpr (kHasCuda) cuda::set_early_starts(on);
}

}  // namespace gesso::ops
