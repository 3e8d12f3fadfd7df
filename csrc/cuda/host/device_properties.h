// What plans and ops need to know about a GPU. A test can write down the properties of a card that the machine does not
// have.
#pragma once

#include <cstdint>
#include <string>

namespace gesso::cuda {

struct DeviceProperties {
  std::string name;
  int arch = 0;  // compute capability, 10 * major + minor: 80, 86, 89, 90, 100, 103, 110, 120, 121
  int num_multiprocessors = 0;
  int64_t max_shared_bytes = 0;  // of one block; a multiprocessor has 1 KB more, for the system
  int64_t l2_bytes = 0;
  int64_t total_bytes = 0;     // of device memory
  bool is_integrated = false;  // the GPU shares the host's memory and can read its pages
};

// Asks the CUDA runtime. CudaError when there is no such device.
DeviceProperties device_properties(int device);

// How many blocks a multiprocessor runs at a time, as far as shared memory allows. It is at least 1: a block that does
// not fit is refused when it is launched.
int blocks_by_shared_memory(const DeviceProperties& device, int64_t shared_bytes);

}  // namespace gesso::cuda
