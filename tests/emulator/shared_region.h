// The shared memory of the block that a thread of the host runs: poisoned when a block begins, with a page behind it
// that cannot be touched and known bytes around it.
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

  // `bytes` at most what the largest device has. The memory is 128-byte aligned and as near to the page as that allows.
  void begin(size_t bytes);
  const SharedMemory& memory() const { return memory_; }
  // Empty, or what was written beside the memory.
  std::string find_damage() const;
  bool is_guard(const void* address) const;

 private:
  std::byte* mapped_;
  SharedMemory memory_ = {};
};

}  // namespace gesso::emulator
