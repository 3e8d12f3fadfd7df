// What the host finds out once for each kernel and device.
#pragma once

#include <cuda_runtime.h>

#include <map>
#include <mutex>
#include <utility>

#include "cuda/host/cuda_error.h"

namespace gesso::cuda {

// A thread may launch a kernel while the process ends. So an object of this type must never be destroyed.
template <typename Value>
class PerKernel {
 public:
  // What find(device) has said of the kernel on the current device. After an exception the next call asks again. `name`
  // is for errors.
  template <typename Find>
  Value get(const void* kernel, const char* name, const Find& find) {
    int device = 0;
    check_cuda(cudaGetDevice(&device), name);
    const std::lock_guard lock(mutex_);
    const auto known = values_.find({device, kernel});
    if (known != values_.end()) return known->second;
    return values_[{device, kernel}] = find(device);
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<int, const void*>, Value> values_;
};

}  // namespace gesso::cuda
