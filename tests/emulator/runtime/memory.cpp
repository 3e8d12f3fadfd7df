// The runtime's functions for memory.
#include "counters.h"
#include "heap.h"
#include "runtime/runtime.h"
#include "settings.h"

using namespace gesso::emulator;

namespace {

cudaError_t allocate(Runtime& runtime, MemoryKind kind, void** data, size_t bytes) {
  *data = nullptr;
  if (runtime.is_forbidden()) return cudaErrorStreamCaptureUnsupported;
  if (bytes == 0) return cudaSuccess;
  ++counters().allocations;
  const int device = Runtime::current_device();
  if (kind == MemoryKind::kDevice) {
    const int64_t free = settings().total_bytes - Heap::instance().allocated_bytes(device);
    if (static_cast<int64_t>(bytes) < 0 || static_cast<int64_t>(bytes) > free) return cudaErrorMemoryAllocation;
  }
  *data = Heap::instance().allocate(kind, device, bytes, settings().is_dry);
  return *data ? cudaSuccess : cudaErrorMemoryAllocation;
}

// Queued work may still use the memory, and fails then: CUDA does not promise to wait for it.
cudaError_t release(Runtime& runtime, MemoryKind kind, void* data) {
  if (!data) return cudaSuccess;
  start_device(Runtime::current_device());
  if (runtime.is_forbidden()) return cudaErrorStreamCaptureUnsupported;
  if (!Heap::instance().release(kind, data)) return cudaErrorInvalidValue;
  return runtime.has_failed() ? cudaErrorLaunchFailure : cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** data, size_t bytes) {
  return call_on_device([&](Runtime& runtime) { return allocate(runtime, MemoryKind::kDevice, data, bytes); });
}

cudaError_t cudaFree(void* data) {
  return call([&](Runtime& runtime) { return release(runtime, MemoryKind::kDevice, data); });
}

cudaError_t cudaMallocHost(void** data, size_t bytes) { return cudaHostAlloc(data, bytes, cudaHostAllocDefault); }

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  return call_on_device([&](Runtime& runtime) { return allocate(runtime, MemoryKind::kPinned, data, bytes); });
}

cudaError_t cudaFreeHost(void* data) {
  return call([&](Runtime& runtime) { return release(runtime, MemoryKind::kPinned, data); });
}

cudaError_t cudaHostRegister(void* data, size_t bytes, unsigned) {
  return call_on_device([&](Runtime& runtime) {
    if (runtime.is_forbidden()) return cudaErrorStreamCaptureUnsupported;
    if (!data || bytes == 0) return cudaErrorInvalidValue;
    return Heap::instance().add_registered(data, bytes) ? cudaSuccess : cudaErrorHostMemoryAlreadyRegistered;
  });
}

cudaError_t cudaHostUnregister(void* data) {
  return call([&](Runtime& runtime) {
    if (runtime.is_forbidden()) return cudaErrorStreamCaptureUnsupported;
    for (int device = 0; device < settings().num_devices; ++device) runtime.run_device(device);
    return Heap::instance().release(MemoryKind::kRegistered, data) ? cudaSuccess : cudaErrorHostMemoryNotRegistered;
  });
}

cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* host_pointer, unsigned) {
  return call([&](Runtime&) {
    Heap::Range range;
    const bool is_known = Heap::instance().find(host_pointer, &range) && range.kind != MemoryKind::kDevice;
    if (!is_known && !settings().is_integrated) return cudaErrorInvalidValue;
    *device_pointer = host_pointer;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call([&](Runtime&) {
    *attributes = {};
    Heap::Range range;
    if (!Heap::instance().find(pointer, &range)) return cudaSuccess;
    const bool is_device = range.kind == MemoryKind::kDevice;
    void* address = const_cast<void*>(pointer);
    *attributes = {is_device ? cudaMemoryTypeDevice : cudaMemoryTypeHost, range.device, address,
                   is_device ? nullptr : address};
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call_on_device([&](Runtime&) {
    const int64_t allocated = Heap::instance().allocated_bytes(Runtime::current_device());
    *total = static_cast<size_t>(settings().total_bytes);
    *free = allocated < settings().total_bytes ? static_cast<size_t>(settings().total_bytes - allocated) : 0;
    return cudaSuccess;
  });
}
