// The GPUs of this machine, and why one of them cannot be used.
#include "ops/device.h"

#include "core/check.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kOldestArch = 80;  // the first compute capability with bf16 matrix instructions and asynchronous copies

// "13.0" of 13000
std::string cuda_text(int version) { return concat(version / 1000, ".", version % 1000 / 10); }
// "8.0" of 80
std::string arch_text(int arch) { return concat(arch / 10, ".", arch % 10); }

// Why the runtime does not start. Without a driver, or without a GPU, nothing is wrong.
std::string describe_start(cudaError_t error) {
  if (error == cudaErrorNoDevice) return "";
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (error == cudaErrorInsufficientDriver) {
    if (driver == 0) return "";
    // A runtime runs with every driver of its major version.
    return concat("the NVIDIA driver is for CUDA ", cuda_text(driver),
                  " (nvidia-smi shows it), and gesso needs one for CUDA ", cuda_text(runtime / 1000 * 1000),
                  " or newer");
  }
  return concat("the NVIDIA driver (for CUDA ", cuda_text(driver), ") does not start: ", cudaGetErrorName(error), ": ",
                cudaGetErrorString(error));
}

struct Search {
  std::vector<ops::Device> devices;
  std::string problem;
};

Search search() {
  Search found;
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    cudaGetLastError();  // makes the runtime forget the error
    found.problem = describe_start(error);
    return found;
  }
  for (int i = 0; i < count; ++i) {
    const DeviceProperties properties = device_properties(i);
    if (properties.arch < kOldestArch) {
      found.problem +=
          concat(found.problem.empty() ? "" : "; ", "cuda:", i, ", ", properties.name, ", has compute capability ",
                 arch_text(properties.arch), ", and gesso needs ", arch_text(kOldestArch), " or newer");
      continue;
    }
    found.devices.push_back({i, "cuda:" + std::to_string(i), properties.name, properties.arch, properties.total_bytes,
                             properties.is_integrated});
  }
  return found;
}

}  // namespace

std::vector<ops::Device> devices() { return search().devices; }
std::string device_problem() { return search().problem; }

std::shared_ptr<Queue> make_queue(int device) { return std::make_shared<Queue>(device); }

}  // namespace gesso::cuda
