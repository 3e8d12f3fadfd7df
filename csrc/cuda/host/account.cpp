#include "cuda/host/account.h"

#include <map>
#include <mutex>

#include "core/check.h"
#include "cuda/host/cuda_error.h"

namespace gesso::cuda {
namespace {

struct Allocation {
  int device;
  int64_t num_bytes;
};

// The account is never destroyed, because static objects of other files may give memory back after this file's statics.
struct Account {
  std::mutex mutex;
  std::map<void*, Allocation> allocations;
};

Account& account() {
  static Account* the_account = new Account();
  return *the_account;
}

}  // namespace

std::byte* allocate_on_device(int device, int64_t num_bytes) {
  if (num_bytes == 0) return nullptr;
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, num_bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // makes the runtime forget the error, which is reported here
    const int64_t free = free_bytes(device);
    throw OutOfMemory(
        concat("out of memory on cuda:", device, ": asked for ", num_bytes, " bytes, ", free, " bytes are free"),
        num_bytes, free);
  }
  check_cuda(error, "cudaMalloc");
  const std::lock_guard lock(account().mutex);
  account().allocations[data] = {device, num_bytes};
  return static_cast<std::byte*>(data);
}

void release_on_device(void* data) {
  if (!data) return;
  {
    const std::lock_guard lock(account().mutex);
    account().allocations.erase(data);
  }
  cudaFree(data);  // waits for kernels that still use the memory; an error of theirs shows at the next call
}

int64_t allocated_bytes(int device) {
  const std::lock_guard lock(account().mutex);
  int64_t sum = 0;
  for (const auto& [data, allocation] : account().allocations) {
    if (allocation.device == device) sum += allocation.num_bytes;
  }
  return sum;
}

int64_t free_bytes(int device) {
  size_t free = 0, total = 0;
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<int64_t>(free);
}

}  // namespace gesso::cuda
