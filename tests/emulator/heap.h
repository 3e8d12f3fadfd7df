// The memory of the emulated devices, and the host memory that the runtime knows.
//
// Behind an allocation is a page that cannot be touched; between them are fewer than 16 bytes. Before the allocation is
// such a page too, and then bytes with known values. So an allocation is 16-byte aligned. It has CUDA's alignment of
// 256 bytes only if its size is a multiple of that. Its memory starts poisoned. The host cannot touch device memory: it
// is accessible only while queued work runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace gesso::emulator {

enum class MemoryKind { kDevice, kPinned, kRegistered };

struct Allocation {
  std::byte* data;
  size_t bytes;
  MemoryKind kind;
  int device;
  std::byte* mapped;  // where the pages around the memory begin; nullptr for kRegistered
  size_t mapped_bytes;
  bool is_dry;
};

class Heap {
 public:
  static Heap& instance();

  // Returns nullptr when there is not enough memory. With `is_dry`, device memory is only a range of addresses that
  // cannot be touched.
  void* allocate(MemoryKind kind, int device, size_t bytes, bool is_dry);
  // Returns false unless allocate returned `data` for this kind.
  bool release(MemoryKind kind, void* data);
  // Adds memory that the host has allocated itself and that the device may read.
  bool add_registered(void* data, size_t bytes);

  struct Range {
    MemoryKind kind;
    int device;
    std::byte* data;
    size_t bytes;
  };
  // Finds the allocation that holds the address. Returns false when there is none.
  bool find(const void* address, Range* range) const;
  // The same, but an allocation that ends at the address counts too: a pointer behind the last element is no mistake.
  bool find_or_end(const void* address, Range* range) const;
  // True for an address in an allocation or in the pages around one.
  bool is_near(const void* address) const;
  // Describes an address that a kernel could not touch.
  std::string describe(const void* address) const;
  // Returns an empty string, or which allocation had bytes written beside it. The first such allocation is repaired.
  std::string find_damage();

  void open(int device);
  void close(int device);

  int64_t allocated_bytes(int device) const;  // of device memory
  int64_t peak_bytes(int device) const;
  void reset_peak(int device);
  int64_t pinned_bytes() const;
  std::string largest_allocation(int device);  // its bytes

 private:
  struct Usage {
    int64_t bytes = 0;
    int64_t peak = 0;
  };

  const Allocation* before(const void* address) const;
  void retire(const Allocation& allocation);
  void protect_device(int device, int protection);

  mutable std::mutex mutex_;
  std::map<std::byte*, Allocation> allocations_;  // keyed by address
  std::deque<Allocation> freed_;                  // their addresses are not used again for a while
  std::map<int, Usage> device_usage_;
  int64_t pinned_bytes_ = 0;
  std::map<int, int> num_opened_;  // per device: the number of DeviceAccess objects that live
};

std::string describe_address(const void* address);

// While such an object lives, the memory of its device can be touched.
class DeviceAccess {
 public:
  explicit DeviceAccess(int device) : device_(device) { Heap::instance().open(device); }
  ~DeviceAccess() { Heap::instance().close(device_); }
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;

 private:
  int device_;
};

}  // namespace gesso::emulator
