#include "ops/current_device.h"

#include <cuda.h>

#include <map>
#include <mutex>

#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"
#include "gesso/error.h"

namespace gesso::cuda {
namespace {

template <typename Function>
void find(const char* name, Function*& function) {
  void* address = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSuccess;
  check_cuda(cudaGetDriverEntryPointByVersion(name, &address, 12000, cudaEnableDefault, &result), name);
  if (!address) throw CudaError(std::string("the driver has no ") + name, cudaErrorNotSupported);
  function = reinterpret_cast<Function*>(address);
}

// cudaSetDevice could not put things back as they were. It would replace a context that the caller has made itself. And
// where the caller has not used its current device yet, restoring that would make a context there, which takes hundreds
// of megabytes. So the device's context is pushed onto the thread's stack of contexts. Only the driver can do that. Its
// functions are looked up, since a program that is linked with them would not start where there is no driver.
struct Driver {
  CUresult (*init)(unsigned flags);
  CUresult (*get_device)(CUdevice* device, int ordinal);
  CUresult (*retain_context)(CUcontext* context, CUdevice device);
  CUresult (*push_context)(CUcontext context);
  CUresult (*pop_context)(CUcontext* context);

  Driver() {
    find("cuInit", init);
    find("cuDeviceGet", get_device);
    find("cuDevicePrimaryCtxRetain", retain_context);
    find("cuCtxPushCurrent", push_context);
    find("cuCtxPopCurrent", pop_context);
    check_driver(init(0), "cuInit");
  }

  // The driver's error codes are also those of the runtime.
  static void check_driver(CUresult result, const char* call) { check_cuda(static_cast<cudaError_t>(result), call); }
};

const Driver& driver() {
  static const Driver& the_driver = *new Driver();  // an attempt that fails is made again
  return the_driver;
}

// The context that the runtime uses, too. It is kept until the process ends.
CUcontext context_of(int device) {
  static std::mutex& mutex = *new std::mutex();
  static auto& contexts = *new std::map<int, CUcontext>();
  const std::lock_guard lock(mutex);
  CUcontext& context = contexts[device];
  if (context) return context;
  CUdevice handle = 0;
  Driver::check_driver(driver().get_device(&handle, device), "cuDeviceGet");
  CUcontext made = nullptr;
  Driver::check_driver(driver().retain_context(&made, handle), "cuDevicePrimaryCtxRetain");
  return context = made;
}

}  // namespace

CurrentDevice::CurrentDevice(int device) {
  Driver::check_driver(driver().push_context(context_of(device)), "cuCtxPushCurrent");
}

CurrentDevice::CurrentDevice(const Queue& queue) : CurrentDevice(queue.device()) {}

CurrentDevice::~CurrentDevice() {
  CUcontext context = nullptr;
  driver().pop_context(&context);
}

}  // namespace gesso::cuda
