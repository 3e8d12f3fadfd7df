#include "thread_copies.h"

#include <cstring>

#include "block.h"
#include "canary.h"
#include "emulator/accesses.h"
#include "emulator/async_copies.h"
#include "emulator/wgmma.h"

namespace gesso::emulator {

void ThreadCopies::start(void* shared, const void* global, size_t bytes) {
  Copy& copy = copies_.emplace_back();
  copy.shared = shared;
  copy.bytes = bytes;
  if (global) std::memcpy(copy.data.data(), global, bytes);
  std::memset(shared, kPoison, bytes);
}

void ThreadCopies::commit() { ends_.push_back(copies_.size()); }

void ThreadCopies::wait(int num_in_flight) {
  if (ends_.size() <= static_cast<size_t>(num_in_flight)) return;
  const size_t num_groups = ends_.size() - static_cast<size_t>(num_in_flight);
  const size_t num_copies = ends_[num_groups - 1];
  for (size_t i = 0; i < num_copies; ++i) {
    std::memcpy(copies_[i].shared, copies_[i].data.data(), copies_[i].bytes);
    end_access(AccessKind::kCopy, copies_[i].shared, copies_[i].bytes);
  }
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(num_copies));
  ends_.erase(ends_.begin(), ends_.begin() + static_cast<std::ptrdiff_t>(num_groups));
  for (size_t& end : ends_) end -= num_copies;
}

void start_copy(void* shared, const void* global, size_t bytes, bool valid, const Place& place) {
  check_shared(shared, bytes, bytes, place);
  if (valid && reinterpret_cast<uintptr_t>(global) % bytes != 0) {
    fail("copy_async_" + std::to_string(bytes) + ": the global address is not aligned", place);
  }
  begin_access(AccessKind::kCopy, shared, bytes, place);
  if (valid) begin_access(AccessKind::kLoad, global, bytes, place);
  Block::mine().copies().start(shared, valid ? global : nullptr, bytes);
}

void skip_copy(size_t bytes, const Place& place) { skip_access(AccessKind::kCopy, bytes, place); }

void commit_copies() { Block::mine().copies().commit(); }

void wait_copies(int num_in_flight) {
  Block::mine().copies().wait(num_in_flight);
  if (kernel_architecture() == 90) forget_proxy_fence();
}

}  // namespace gesso::emulator
