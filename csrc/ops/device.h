// Which devices there are, and how a context is made to compute on one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/activation_type.h"
#include "core/context.h"

namespace gesso::ops {

// A queue runs the work of ops in order on one device, see make_queue.
using QueuePointer = std::shared_ptr<cuda::Queue>;

struct Device {
  int index = 0;
  std::string name;                // "cuda:0"
  std::string description;         // "NVIDIA H200"
  int arch = 0;                    // compute capability, 10 * major + minor; 0 for the CPU
  int64_t total_bytes = 0;         // of its memory
  bool reads_host_memory = false;  // weights stay where the file is mapped, without a second copy
};

// All devices but the CPU. The list is empty where there is no driver, and in a build without CUDA.
std::vector<Device> devices();
// Why a GPU of this machine is not in that list: its driver is too old, or does not start, or the GPU is too old. It is
// empty if there is no such GPU, and also where there is no driver.
std::string device_problem();
// Whether this build can use devices other than the CPU.
bool has_device_backend();

// Makes the queue of a session. It lives as long as a pointer to it. CudaError.
QueuePointer make_queue(int device);
// What "auto" means on a GPU: int8 where 16-bit products are slow in comparison with the memory, else bf16.
ActivationType default_activations(const Device& device);
// The bytes that gesso has taken from a device, and the bytes that are free on it. Asking for the latter starts the
// device up.
int64_t allocated_bytes(int device);
int64_t free_bytes(int device);
// See gesso/bench.h.
void set_early_starts(bool on);

}  // namespace gesso::ops

namespace gesso::cuda {
std::vector<ops::Device> devices();
std::string device_problem();
std::shared_ptr<Queue> make_queue(int device);
ActivationType default_activations(int arch);
int64_t allocated_bytes(int device);
int64_t free_bytes(int device);
void set_early_starts(bool on);
}  // namespace gesso::cuda
