#include "failing_memory.h"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

std::atomic<int64_t> first_failing = kNever, num_allocations = 0;
std::atomic<bool> all_later_fail = false;

void* allocate(size_t size) noexcept {
  if (first_failing != kNever) {
    const int64_t index = num_allocations++;
    if (index == first_failing || (all_later_fail && index > first_failing)) return nullptr;
  }
  return std::malloc(size > 0 ? size : 1);
}

void* allocate_or_throw(size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

namespace gesso::test {

FailingMemory::FailingMemory(int64_t which, bool is_lasting) {
  num_allocations = 0;
  all_later_fail = is_lasting;
  first_failing = which;
}
FailingMemory::~FailingMemory() { first_failing = kNever; }

bool FailingMemory::has_failed() const { return num_allocations > first_failing; }

}  // namespace gesso::test

// All of them, since a sanitizer has its own for those that are missing.
void* operator new(size_t size) { return allocate_or_throw(size); }
void* operator new[](size_t size) { return allocate_or_throw(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
