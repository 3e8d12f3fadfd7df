// The runtime's functions for devices, and for the attributes and launches of kernels.
#include <algorithm>
#include <map>

#include "counters.h"
#include "emulator/kernel_launch.h"
#include "grid.h"
#include "runtime/runtime.h"
#include "settings.h"

namespace gesso::emulator {
namespace {

constexpr size_t kDefaultSharedBytes = 48 * 1024;
constexpr int kMaxBlock = 1024;
constexpr unsigned kMaxGridX = 0x7fffffffu, kMaxGridYZ = 65535;
constexpr int kMaxBlocksPerMultiprocessor = 16;

bool is_device(int device) { return device >= 0 && device < settings().num_devices; }

// The shared memory that a kernel was allowed beyond the default on the current device, in bytes.
size_t& shared_limit(const void* kernel) {
  static std::map<std::pair<int, const void*>, size_t> limits;
  return limits.try_emplace({Runtime::current_device(), kernel}, kDefaultSharedBytes).first->second;
}

cudaError_t check_launch(const KernelLaunch& launch) {
  const dim3& grid = launch.grid;
  if (launch.block <= 0 || launch.block > kMaxBlock || launch.block % 32 != 0) return cudaErrorInvalidConfiguration;
  if (grid.x > kMaxGridX || grid.y > kMaxGridYZ || grid.z > kMaxGridYZ) return cudaErrorInvalidConfiguration;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaErrorInvalidConfiguration;
  const size_t allowed = std::max(shared_limit(launch.kernel), kDefaultSharedBytes);
  // The architecture may have been changed after the kernel was allowed that much.
  return launch.shared_bytes > std::min(allowed, max_shared_bytes()) ? cudaErrorInvalidValue : cudaSuccess;
}

}  // namespace

cudaError_t queue_kernel(KernelLaunch launch, cudaStream_t handle) {
  return call_on_device([&](Runtime& runtime) {
    const auto stream = runtime.find(handle);
    if (!stream || stream->device != Runtime::current_device()) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = check_launch(launch);
    if (error != cudaSuccess) return error;
    ++counters().kernels_launched;
    const auto shared = std::make_shared<const KernelLaunch>(std::move(launch));
    runtime.queue(stream, [shared, device = stream->device] { return run_grid(*shared, device); });
    return cudaSuccess;
  });
}

}  // namespace gesso::emulator

using namespace gesso::emulator;

cudaError_t cudaGetDeviceCount(int* count) {
  return call([&](Runtime&) {
    *count = 0;
    if (settings().startup_error != cudaSuccess) return settings().startup_error;
    if (settings().driver_version < kRuntimeVersion) return cudaErrorInsufficientDriver;  // also without a driver
    *count = settings().num_devices;
    return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&](Runtime&) {
    *device = Runtime::current_device();
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&](Runtime&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    Runtime::set_current_device(device);
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call([&](Runtime&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    describe_device(properties);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call([&](Runtime&) {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    return device_attribute(attribute, value) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call_on_device([&](Runtime& runtime) {
    const int device = Runtime::current_device();
    for (const auto& [handle, stream] : runtime.streams()) {
      if (!stream->capture || stream->device != device) continue;
      Runtime::spoil(*stream);
      return cudaErrorStreamCaptureUnsupported;
    }
    ++counters().host_waits;
    runtime.run_device(device);
    return cudaSuccess;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = settings().driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kRuntimeVersion;
  return cudaSuccess;
}

// A kernel's code is from PTX for 8.0, 9.0 or 12.0, as csrc/cuda/backend.cmake has it compiled.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  return call_on_device([&](Runtime&) {
    const int architecture = settings().architecture;
    ++counters().kernel_queries;
    *attributes = {.ptxVersion = architecture < 90 ? 80 : architecture < 120 ? 90 : 120};
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call_on_device([&](Runtime&) {
    ++counters().kernel_queries;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || static_cast<size_t>(value) > max_shared_bytes()) return cudaErrorInvalidValue;
    shared_limit(kernel) = static_cast<size_t>(value);
    return cudaSuccess;
  });
}

// Only threads and shared memory count here. The emulator does not know how many registers a kernel needs.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* num_blocks, const void*, int block,
                                                          size_t shared_bytes) {
  return call([&](Runtime&) {
    if (block <= 0 || block > kMaxBlock) return cudaErrorInvalidValue;
    const int by_shared = static_cast<int>(multiprocessor_shared_bytes() / (shared_bytes + 1024));
    *num_blocks = std::min({kMaxBlocksPerMultiprocessor, max_threads_per_multiprocessor() / block, by_shared});
    return cudaSuccess;
  });
}
