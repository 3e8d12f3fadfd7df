// The settings that emulator.h changes.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

namespace gesso::emulator {

// CUDA's version of the runtime that is emulated, 1000 * major + 10 * minor.
constexpr int kRuntimeVersion = 13000;

struct Settings {
  uint64_t seed = 1;
  int architecture = 90;
  int num_devices = 1;
  int driver_version = kRuntimeVersion;     // 0: there is no driver
  cudaError_t startup_error = cudaSuccess;  // what keeps the runtime from starting
  int num_multiprocessors = 16;
  bool is_integrated = false;
  bool is_dry = false;
  int num_threads = 0;
  bool truncates_sums = false;
  int64_t total_bytes = int64_t{16} << 30;
};

Settings& settings();

// The shared memory that a block may have, and that of one multiprocessor, on the architecture of the settings.
size_t max_shared_bytes();
size_t multiprocessor_shared_bytes();
int max_threads_per_multiprocessor();

void describe_device(cudaDeviceProp* properties);
// Returns false when the attribute is not emulated.
bool device_attribute(cudaDeviceAttr attribute, int* value);

}  // namespace gesso::emulator
