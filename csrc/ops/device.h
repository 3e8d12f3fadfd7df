// Which devices there are, and how a context is made to compute on one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/activation_type.h"
#include "core/context.h"

namespace gesso::ops {

// Puts the work of ops in order on one device; see make_queue.
using QueuePointer = std::shared_ptr<cuda::Queue>;

struct Device {
  int index = 0;
  std::string name;                // "cuda:0"
  std::string description;         // "NVIDIA H200"
  int arch = 0;                    // compute capability, 10 * major + minor; 0 for the CPU
  int64_t total_bytes = 0;         // of its memory
  bool reads_host_memory = false;  // weights stay where the file is mapped
};

// All that ops can run on but the CPU. Empty where there is no driver, and in a build without a backend for devices.
std::vector<Device> devices();
// Whether this build could use any.
constexpr bool has_device_backend() { return kHasCuda; }

// What ops with this context put their work into; it lives as long as the pointer. CudaError.
QueuePointer make_queue(int device);
// Must be called before the first op of a call, since the calling thread may have used another device before.
void activate(const Context& context);
// The faster choice for a GPU: int8 where 16-bit products are slow in comparison with its memory, else bf16.
ActivationType default_activations(const Device& device);
// Bytes that gesso has taken from a device, and those that it could still give. The latter wakes the device up.
int64_t allocated_bytes(int device);
int64_t free_bytes(int device);

}  // namespace gesso::ops

namespace gesso::cuda {
std::vector<ops::Device> devices();
std::shared_ptr<Queue> make_queue(int device);
void activate(const Queue& queue);
ActivationType default_activations(int arch);
int64_t allocated_bytes(int device);
int64_t free_bytes(int device);
}  // namespace gesso::cuda
