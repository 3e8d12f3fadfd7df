// The shared memory of the block that a thread of the host runs. It is poisoned when a block begins. Behind it is a
// page that cannot be touched, and around it are bytes with known values.
#pragma once

#include <cstddef>
#include <string>

#include "emulator/rendezvous.h"

namespace gesso::emulator {

class SharedRegion {
 public:
  SharedRegion();
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;

  // `bytes` is at most what the largest device has. The memory is 128-byte aligned and as near to the page behind it as
  // that allows.
  void begin(size_t bytes);
  const SharedMemory& memory() const { return memory_; }
  // Returns an empty string, or on which side of the memory bytes were written.
  std::string find_damage() const;
  bool is_guard(const void* address) const;

 private:
  std::byte* mapped_;
  SharedMemory memory_ = {};
};

}  // namespace gesso::emulator
