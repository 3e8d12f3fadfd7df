#include "device_info.h"

#include <cuda_runtime.h>

#include <string>

#include "cuda/host/cuda_error.h"

namespace gesso::bench {
namespace {

// CUDA writes version 13.0 as 13000.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

Record device_record(const cuda::Queue& queue) {
  int driver = 0, runtime = 0;
  cuda::check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  cuda::check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const cuda::DeviceProperties& properties = queue.properties();
  return Record()
      .add("device", properties.name)
      .add("compute_capability", std::to_string(properties.arch / 10) + "." + std::to_string(properties.arch % 10))
      .add("multiprocessors", properties.num_multiprocessors)
      .add("cuda_of_driver", version_text(driver))
      .add("cuda", version_text(runtime));
}

}  // namespace gesso::bench
