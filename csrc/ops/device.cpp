#include "ops/device.h"

#include "core/check.h"

namespace gesso::ops {

std::vector<Device> devices() {
  if constexpr (kHasCuda) return cuda::devices();
  return {};
}

QueuePointer make_queue(int device, ActivationType activations) {
  if constexpr (kHasCuda) return cuda::make_queue(device, activations);
  throw ArgumentError("this build of gesso has no CUDA backend");
}

void activate(const Context& context) {
  if constexpr (kHasCuda) {
    if (context.queue) cuda::activate(*context.queue);
  }
}

ActivationType default_activations(const Device& device) {
  // A100 and H100 have 16-bit products to spare; on GeForce and GB10 they are what limits a step (see performance
  // notes in HACKING.md).
  return device.arch == 80 || device.arch == 90 ? ActivationType::kBF16 : ActivationType::kInt8;
}

int64_t allocated_bytes(int device) {
  if constexpr (kHasCuda) return cuda::allocated_bytes(device);
  return 0;
}

int64_t free_bytes(int device) {
  if constexpr (kHasCuda) return cuda::free_bytes(device);
  return 0;
}

}  // namespace gesso::ops
