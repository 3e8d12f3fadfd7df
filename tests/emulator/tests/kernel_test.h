// Helpers for tests that launch small kernels.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/cuda_error.h"
#include "emulator.h"
#include "gesso/error.h"
#include "seeds.h"

// Marks a kernel with a planted mistake that the sanitizer would report before the emulator could.
#define PLANTED_MISTAKE __attribute__((no_sanitize("undefined")))

namespace gesso::cuda {

// An array in device memory, with the values that a test gives it.
template <typename T>
class OnDevice {
 public:
  explicit OnDevice(size_t count) : count_(count) { check_cuda(cudaMalloc(&data_, bytes()), "cudaMalloc"); }
  explicit OnDevice(const std::vector<T>& values) : OnDevice(values.size()) {
    check_cuda(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  ~OnDevice() {
    cudaDeviceSynchronize();  // work that is queued may use the memory
    cudaFree(data_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  operator T*() const { return data_; }  // as a kernel takes it
  std::vector<T> read() const {
    std::vector<T> values(count_);
    check_cuda(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return values;
  }

 private:
  size_t bytes() const { return count_ * sizeof(T); }

  size_t count_;
  T* data_ = nullptr;
};

// Runs a kernel in the default stream and waits until it has ended.
template <typename... P, typename... A>
void run_kernel(int num_blocks, int block, size_t shared_bytes, void (*kernel)(P...), const A&... arguments) {
  launch("test_kernel", {dim3(static_cast<unsigned>(num_blocks)), block, static_cast<int64_t>(shared_bytes), nullptr},
         kernel, arguments...);
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

// The message of the CudaError that `run` throws, or "no failure".
template <typename Run>
std::string failure_of(Run run) {
  try {
    run();
  } catch (const CudaError& error) {
    return error.what();
  }
  return "no failure";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace gesso::cuda
