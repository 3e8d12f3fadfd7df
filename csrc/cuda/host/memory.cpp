// Device memory, pinned host memory, and copies.
#include "ops/memory.h"

#include "core/check.h"
#include "cuda/host/account.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

std::byte* allocate_bytes(const Context& context, int64_t num_bytes) {
  return allocate_on_device(context.queue->device(), num_bytes);
}

void release_device(void* data) { release_on_device(data); }

std::byte* allocate_host_bytes(int64_t num_bytes) {
  void* data = nullptr;
  const cudaError_t error = cudaMallocHost(&data, num_bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // makes the runtime forget the error, which is reported here
    throw OutOfMemory(concat("out of pinned host memory: asked for ", num_bytes, " bytes"), num_bytes);
  }
  check_cuda(error, "cudaMallocHost");
  return static_cast<std::byte*>(data);
}

void release_host(void* data) {
  if (data) cudaFreeHost(data);
}

void copy(const Context& context, const void* source, int64_t num_bytes, void* target) {
  check_cuda(cudaMemcpyAsync(target, source, num_bytes, cudaMemcpyDefault, context.queue->stream()), "cudaMemcpyAsync");
}

void fill_zero(const Context& context, void* target, int64_t num_bytes) {
  check_cuda(cudaMemsetAsync(target, 0, num_bytes, context.queue->stream()), "cudaMemsetAsync");
}

void synchronize(const Context& context) {
  check_cuda(cudaStreamSynchronize(context.queue->stream()), "cudaStreamSynchronize");
}

}  // namespace gesso::cuda
