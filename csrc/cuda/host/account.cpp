#include "cuda/host/account.h"

#include <map>
#include <mutex>

#include "core/check.h"
#include "cuda/host/cuda_error.h"
#include "ops/current_device.h"

namespace gesso::cuda {
namespace {

struct Allocation {
  int device;
  int64_t num_bytes;
  bool is_pinned;  // memory of the host, which was taken for the device
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

std::byte* note(void* data, const Allocation& allocation) {
  const std::lock_guard lock(account().mutex);
  account().allocations[data] = allocation;
  return static_cast<std::byte*>(data);
}

Allocation forget(void* data) {
  const std::lock_guard lock(account().mutex);
  return account().allocations.extract(data).mapped();
}

}  // namespace

std::byte* allocate_on_device(int device, int64_t num_bytes) {
  if (num_bytes == 0) return nullptr;
  const CurrentDevice current(device);
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
  return note(data, {device, num_bytes, false});
}

std::byte* allocate_pinned(int device, int64_t num_bytes) {
  if (num_bytes == 0) return nullptr;
  const CurrentDevice current(device);
  void* data = nullptr;
  const cudaError_t error = cudaMallocHost(&data, num_bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // makes the runtime forget the error, which is reported here
    throw OutOfMemory(concat("out of pinned host memory: asked for ", num_bytes, " bytes"), num_bytes);
  }
  check_cuda(error, "cudaMallocHost");
  return note(data, {device, num_bytes, true});
}

void release(void* data) {
  if (!data) return;
  const Allocation allocation = forget(data);
  try {
    const CurrentDevice current(allocation.device);
    // An error of earlier work shows at the next call, too.
    static_cast<void>(allocation.is_pinned ? cudaFreeHost(data) : cudaFree(data));
  } catch (const Error&) {  // the device is lost, and its memory with it
  }
}

int64_t allocated_bytes(int device) {
  const std::lock_guard lock(account().mutex);
  int64_t sum = 0;
  for (const auto& [data, allocation] : account().allocations) {
    if (allocation.device == device && !allocation.is_pinned) sum += allocation.num_bytes;
  }
  return sum;
}

int64_t free_bytes(int device) {
  size_t free = 0, total = 0;
  const CurrentDevice current(device);
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<int64_t>(free);
}

}  // namespace gesso::cuda
