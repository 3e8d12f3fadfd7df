// Memory of the device where a context's ops compute, and copies to and from it. On the CPU it is the host's own, and
// every copy is done at once; on a device copies take their place in the queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/buffer.h"
#include "core/context.h"

namespace gesso::ops {

// Uninitialised bytes, which release_bytes() gives back. OutOfMemory says how many bytes were asked for and are free.
std::byte* allocate_bytes(const Context& context, int64_t num_bytes);
// The same of the host's memory. A device can copy from there while the host goes on.
std::byte* allocate_host_bytes(const Context& context, int64_t num_bytes);
// Nothing waits here: before it, and so before a Buffer is destroyed, the work in queues that uses the memory must be
// done. synchronize() and WaitAtEnd see to that.
void release_bytes(void* data);

template <typename T>
Buffer<T> allocate(const Context& context, int64_t size) {
  if (!context.queue) return Buffer<T>(size);
  const int64_t num_bytes = size * static_cast<int64_t>(sizeof(T));
  return {reinterpret_cast<T*>(allocate_bytes(context, num_bytes)), size, release_bytes};
}

template <typename T>
Buffer<T> allocate_host(const Context& context, int64_t size) {
  if (!context.queue) return Buffer<T>(size);
  const int64_t num_bytes = size * static_cast<int64_t>(sizeof(T));
  return {reinterpret_cast<T*>(allocate_host_bytes(context, num_bytes)), size, release_bytes};
}

// `source` must stay as it is until the queue has come to the copy; see synchronize().
void copy_to_device(const Context& context, const void* source, int64_t num_bytes, void* target);
// The bytes are at `target` after synchronize().
void copy_to_host(const Context& context, const void* source, int64_t num_bytes, void* target);
// Copies between two places of the device that do not overlap.
void copy_within_device(const Context& context, const void* source, int64_t num_bytes, void* target);
// Moves bytes to a lower address; the places may overlap.
void move_down(const Context& context, std::byte* source, int64_t num_bytes, std::byte* target);
void fill_zero(const Context& context, void* target, int64_t num_bytes);
// Waits for all work in the queue. CudaError when any of it failed.
void synchronize(const Context& context);
// The same from any thread after a failure, before memory is written or given back that work in the queue still uses. A
// CudaError is not reported, since the failure that led here is.
void wait_for_leftovers(const Context& context);

// Calls wait_for_leftovers() when it is destroyed. Declared behind buffers, it lets their memory live until the queue
// is done with it, also where an exception ends their scope.
class WaitAtEnd {
 public:
  explicit WaitAtEnd(const Context& context) : context_(context) {}
  ~WaitAtEnd() { wait_for_leftovers(context_); }
  WaitAtEnd(const WaitAtEnd&) = delete;
  WaitAtEnd& operator=(const WaitAtEnd&) = delete;

 private:
  const Context& context_;
};

}  // namespace gesso::ops

namespace gesso::cuda {
std::byte* allocate_bytes(const Context& context, int64_t num_bytes);
std::byte* allocate_host_bytes(const Context& context, int64_t num_bytes);
void release_bytes(void* data);
void copy(const Context& context, const void* source, int64_t num_bytes, void* target);
void fill_zero(const Context& context, void* target, int64_t num_bytes);
void synchronize(const Context& context);
}  // namespace gesso::cuda
