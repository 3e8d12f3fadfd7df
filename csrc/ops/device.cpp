#include "ops/device.h"

#include "core/check.h"

namespace gesso::ops {

std::vector<Device> devices() {
  if constexpr (kHasCuda) return cuda::devices();
  return {};
}

QueuePointer make_queue([[maybe_unused]] int device) {
  if constexpr (kHasCuda) return cuda::make_queue(device);
  throw ArgumentError("this build of gesso has no CUDA backend");
}

void activate(const Context& context) {
  if constexpr (kHasCuda) {
    if (context.queue) cuda::activate(*context.queue);
  }
}

ActivationType default_activations(const Device& device) {
  // Cards for data centers (A100, H100, B200) have 16-bit products to spare beside their memory's bandwidth; on GeForce
  // and GB10 they are what limits a step, and 8-bit ones are twice as fast or more.
  const bool has_fast_16_bits = device.arch == 80 || device.arch == 90 || (device.arch >= 100 && device.arch < 110);
  return has_fast_16_bits ? ActivationType::kBF16 : ActivationType::kInt8;
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
