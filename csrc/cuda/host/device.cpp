// The GPUs of this machine.
#include "ops/device.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kOldestArch = 80;  // the first compute capability with bf16 matrix instructions and asynchronous copies

}  // namespace

std::vector<ops::Device> devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {  // no driver, or one that is too old
    cudaGetLastError();
    return {};
  }
  std::vector<ops::Device> found;
  for (int i = 0; i < count; ++i) {
    const DeviceProperties properties = device_properties(i);
    if (properties.arch < kOldestArch) continue;
    found.push_back({i, "cuda:" + std::to_string(i), properties.name, properties.arch, properties.total_bytes,
                     properties.is_integrated});
  }
  return found;
}

std::shared_ptr<Queue> make_queue(int device) { return std::make_shared<Queue>(device); }

void activate(const Queue& queue) { check_cuda(cudaSetDevice(queue.device()), "cudaSetDevice"); }

}  // namespace gesso::cuda
