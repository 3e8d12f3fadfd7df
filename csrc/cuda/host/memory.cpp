// Device memory, pinned host memory, and copies.
#include "ops/memory.h"

#include "cuda/host/account.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/queue.h"
#include "ops/current_device.h"

namespace gesso::cuda {

std::byte* allocate_bytes(const Context& context, int64_t num_bytes) {
  return allocate_on_device(context.queue->device(), num_bytes);
}

std::byte* allocate_host_bytes(const Context& context, int64_t num_bytes) {
  return allocate_pinned(context.queue->device(), num_bytes);
}

void release_bytes(void* data) { release(data); }

void copy(const Context& context, const void* source, int64_t num_bytes, void* target) {
  const CurrentDevice current(*context.queue);
  check_cuda(cudaMemcpyAsync(target, source, num_bytes, cudaMemcpyDefault, context.queue->stream()), "cudaMemcpyAsync");
}

void fill_zero(const Context& context, void* target, int64_t num_bytes) {
  const CurrentDevice current(*context.queue);
  check_cuda(cudaMemsetAsync(target, 0, num_bytes, context.queue->stream()), "cudaMemsetAsync");
}

void synchronize(const Context& context) { context.queue->synchronize(); }

}  // namespace gesso::cuda
