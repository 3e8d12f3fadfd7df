// The memory of the emulated devices, and the host memory that the runtime knows.
//
// An allocation ends, to 16 bytes, at a page that cannot be touched, and has such a page and known bytes before it. So
// it is 16-byte aligned, and as much as CUDA's 256 only if its size is a multiple of that. It starts poisoned. The
// host cannot touch device memory: it is accessible only while queued work runs.
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
  std::byte* mapped;  // with the pages around; nullptr for kRegistered
  size_t mapped_bytes;
  bool is_dry;
};

class Heap {
 public:
  static Heap& instance();

  // nullptr when there is not so much. `is_dry`: reserves addresses, with nothing behind them for device memory.
  void* allocate(MemoryKind kind, int device, size_t bytes, bool is_dry);
  // False unless `data` is what allocate returned for this kind.
  bool release(MemoryKind kind, void* data);
  // Memory of the host's own that the device may read.
  bool add_registered(void* data, size_t bytes);

  struct Range {
    MemoryKind kind;
    int device;
    std::byte* data;
    size_t bytes;
  };
  // The allocation with this address; false when there is none.
  bool find(const void* address, Range* range) const;
  // The same, or one that ends at the address: a pointer behind the last element is no mistake.
  bool find_or_end(const void* address, Range* range) const;
  // True for addresses in an allocation or in the pages around it.
  bool is_near(const void* address) const;
  // Text for an address that a kernel could not touch.
  std::string describe(const void* address) const;
  // Empty, or the first allocation beside which something was written; repairs it.
  std::string find_damage();

  void open(int device);
  void close(int device);

  int64_t allocated_bytes(int device) const;  // of device memory
  int64_t peak_bytes(int device) const;
  void reset_peak(int device);
  int64_t pinned_bytes() const;

 private:
  struct Usage {
    int64_t bytes = 0;
    int64_t peak = 0;
  };

  const Allocation* before(const void* address) const;
  void retire(const Allocation& allocation);
  void protect_device(int device, int protection);

  mutable std::mutex mutex_;
  std::map<std::byte*, Allocation> allocations_;  // by address
  std::deque<Allocation> freed_;                  // addresses that are not used again for a while
  std::map<int, Usage> device_usage_;
  int64_t pinned_bytes_ = 0;
  std::map<int, int> num_opened_;  // accesses to a device's memory that are under way
};

std::string describe_address(const void* address);

// While it lives, the memory of a device can be touched.
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
