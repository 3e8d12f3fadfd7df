#include "fiber.h"

#include <sys/mman.h>

#include <new>

namespace gesso::emulator {
namespace {

constexpr size_t kStackBytes = 256 * 1024;
// The guard is wide, so that a large array on the stack does not reach over it.
constexpr size_t kGuardBytes = 2 << 20;
constexpr size_t kMappedBytes = kGuardBytes + kStackBytes;
// A few cache lines more than 2 KB. So the tops of 32 stacks lie in different sets of the L1 and L2 caches.
constexpr size_t kStaggerBytes = 2048 + 192;
constexpr size_t kStaggers = 32;

}  // namespace

Fiber::Fiber(void (*main)(), size_t index) : main_(main), offset_(index % kStaggers * kStaggerBytes) {
  void* memory = mmap(nullptr, kMappedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  mprotect(memory_ + kGuardBytes, kStackBytes, PROT_READ | PROT_WRITE);
  reset();
}

Fiber::~Fiber() { munmap(memory_, kMappedBytes); }

void Fiber::reset() { prepare_context(context_, memory_ + kGuardBytes, kStackBytes - offset_, main_); }

bool Fiber::is_overflow(const void* address) const {
  const std::byte* byte = static_cast<const std::byte*>(address);
  return byte >= memory_ && byte < memory_ + kGuardBytes;
}

Fiber* FiberPool::take() {
  if (free_.empty()) {
    all_.push_back(std::make_unique<Fiber>(main_, all_.size()));
    return all_.back().get();
  }
  Fiber* fiber = free_.back();
  free_.pop_back();
  return fiber;
}

void FiberPool::reset() {
  free_.clear();
  for (const auto& fiber : all_) {
    fiber->reset();
    free_.push_back(fiber.get());
  }
}

bool FiberPool::is_overflow(const void* address) const {
  for (const auto& fiber : all_) {
    if (fiber->is_overflow(address)) return true;
  }
  return false;
}

}  // namespace gesso::emulator
