// The runtime's functions that copy and fill memory.
#include <cstring>
#include <vector>

#include "counters.h"
#include "heap.h"
#include "runtime/runtime.h"
#include "settings.h"

using namespace gesso::emulator;

namespace {

// A copy of rows of bytes. A copy without rows has one row.
struct Copy {
  std::byte* target;
  size_t target_pitch;
  const std::byte* source;
  size_t source_pitch;
  size_t row_bytes;
  size_t num_rows;

  void run() const {
    for (size_t row = 0; row < num_rows; ++row) {
      std::memmove(target + row * target_pitch, source + row * source_pitch, row_bytes);
    }
  }
};

// Which memory one side of a copy is in.
struct Side {
  bool is_device = false;
  bool is_pageable = true;  // the runtime does not know this memory
  int device = 0;
};

// Returns false when the bytes go beyond the end of an allocation.
bool find_side(const void* address, size_t bytes, Side* side) {
  Heap::Range range;
  if (!Heap::instance().find(address, &range)) return true;
  *side = {range.kind == MemoryKind::kDevice, false, range.device};
  return static_cast<size_t>(static_cast<const std::byte*>(address) - range.data) + bytes <= range.bytes;
}

size_t extent(size_t pitch, size_t row_bytes, size_t num_rows) { return (num_rows - 1) * pitch + row_bytes; }

bool is_kind(cudaMemcpyKind kind, const Side& target, const Side& source) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !target.is_device && !source.is_device;
    case cudaMemcpyHostToDevice:
      return target.is_device && !source.is_device;
    case cudaMemcpyDeviceToHost:
      return !target.is_device && source.is_device;
    case cudaMemcpyDeviceToDevice:
      return target.is_device && source.is_device;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

// Says so where one side of a copy was freed before the copy has run.
std::string find_freed(const Copy& copy, const Side& source, const Side& target) {
  Side now;
  const bool lacks_source = !source.is_pageable && (!find_side(copy.source, 1, &now) || now.is_pageable);
  now = {};
  const bool lacks_target = !target.is_pageable && (!find_side(copy.target, 1, &now) || now.is_pageable);
  if (!lacks_source && !lacks_target) return "";
  return std::string("a copy ") + (lacks_source ? "from " + describe_address(copy.source) : "") +
         (lacks_target ? " to " + describe_address(copy.target) : "") + ": it was freed before the copy had run";
}

// Reads the source now, since the caller may change it as soon as the call has returned.
Operation copy_of_snapshot(Copy copy, const Side& target) {
  auto bytes = std::make_shared<std::vector<std::byte>>(copy.row_bytes * copy.num_rows);
  Copy snapshot = copy;
  snapshot.target = bytes->data();
  snapshot.target_pitch = copy.row_bytes;
  snapshot.run();
  copy.source = bytes->data();
  copy.source_pitch = copy.row_bytes;
  return [copy, bytes, target] {
    if (const std::string freed = find_freed(copy, Side(), target); !freed.empty()) return freed;
    copy.run();
    return std::string();
  };
}

Operation copy_of_source(const Copy& copy, const Side& source, const Side& target) {
  return [copy, source, target] {
    if (const std::string freed = find_freed(copy, source, target); !freed.empty()) return freed;
    const DeviceAccess source_access(source.device), target_access(target.device);
    copy.run();
    const bool is_to_host = source.is_device && !target.is_device;
    if (is_to_host) counters().bytes_to_host += static_cast<int64_t>(copy.row_bytes * copy.num_rows);
    return std::string();
  };
}

// Waits for the stream. Nothing is counted if the stream has no work left, because the copy itself has waited already.
void wait(Runtime& runtime, const std::shared_ptr<CUstream_st>& stream) {
  if (stream->work.empty()) return;
  ++counters().host_waits;
  runtime.run(stream);
}

cudaError_t queue_copy(Runtime& runtime, const Copy& copy, cudaMemcpyKind kind, cudaStream_t handle) {
  const auto stream = runtime.find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (copy.row_bytes == 0 || copy.num_rows == 0) return cudaSuccess;
  Side target, source;
  if (!find_side(copy.target, extent(copy.target_pitch, copy.row_bytes, copy.num_rows), &target) ||
      !find_side(copy.source, extent(copy.source_pitch, copy.row_bytes, copy.num_rows), &source) ||
      !is_kind(kind, target, source)) {
    return cudaErrorInvalidValue;
  }
  if (stream->capture && (target.is_pageable || source.is_pageable)) {
    Runtime::spoil(*stream);
    return cudaErrorStreamCaptureUnsupported;
  }
  if (settings().is_dry) return cudaSuccess;
  const bool is_snapshot = source.is_pageable && target.is_device;
  runtime.queue(stream, is_snapshot ? copy_of_snapshot(copy, target) : copy_of_source(copy, source, target));
  // A copy into memory that is not pinned, or from host to host, is not asynchronous.
  if (target.is_pageable || (!target.is_device && !source.is_device)) wait(runtime, stream);
  return cudaSuccess;
}

cudaError_t queue_fill(Runtime& runtime, void* target, int value, size_t bytes, cudaStream_t handle) {
  const auto stream = runtime.find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  Side side;
  if (!find_side(target, bytes, &side) || side.is_pageable) return cudaErrorInvalidValue;
  runtime.queue(stream, [target, value, bytes, side] {
    const Copy fill = {static_cast<std::byte*>(target), bytes, nullptr, bytes, bytes, 1};
    if (const std::string freed = find_freed(fill, Side(), side); !freed.empty()) return freed;
    const DeviceAccess access(side.device);
    std::memset(target, value, bytes);
    return std::string();
  });
  return cudaSuccess;
}

Copy plain_copy(void* target, const void* source, size_t bytes) {
  return {static_cast<std::byte*>(target), bytes, static_cast<const std::byte*>(source), bytes, bytes, 1};
}

}  // namespace

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return call_on_device(
      [&](Runtime& runtime) { return queue_copy(runtime, plain_copy(target, source, bytes), kind, stream); });
}

cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source, size_t source_pitch,
                              size_t row_bytes, size_t num_rows, cudaMemcpyKind kind, cudaStream_t stream) {
  return call_on_device([&](Runtime& runtime) {
    if (num_rows > 1 && (target_pitch < row_bytes || source_pitch < row_bytes)) return cudaErrorInvalidValue;
    const Copy copy = {static_cast<std::byte*>(target),
                       target_pitch,
                       static_cast<const std::byte*>(source),
                       source_pitch,
                       row_bytes,
                       num_rows};
    return queue_copy(runtime, copy, kind, stream);
  });
}

// This copies in the default stream, which does not wait for streams made with cudaStreamNonBlocking.
cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
  return call_on_device([&](Runtime& runtime) {
    if (runtime.is_forbidden()) return cudaErrorStreamCaptureImplicit;
    const cudaError_t error = queue_copy(runtime, plain_copy(target, source, bytes), kind, nullptr);
    if (error == cudaSuccess) wait(runtime, runtime.find(nullptr));
    return error;
  });
}

cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream) {
  return call_on_device([&](Runtime& runtime) { return queue_fill(runtime, target, value, bytes, stream); });
}

cudaError_t cudaMemset(void* target, int value, size_t bytes) {
  return call_on_device([&](Runtime& runtime) {
    if (runtime.is_forbidden()) return cudaErrorStreamCaptureImplicit;
    return queue_fill(runtime, target, value, bytes, nullptr);
  });
}
