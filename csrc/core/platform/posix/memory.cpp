#include "core/platform/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace gesso::platform {

std::byte* allocate_pages(size_t num_bytes) {
  void* address = ::mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? nullptr : static_cast<std::byte*>(address);
}

void free_pages(std::byte* pages, size_t num_bytes) { ::munmap(pages, num_bytes); }

void unmap(std::byte* mapped, size_t num_bytes) { ::munmap(mapped, num_bytes); }

void release_mapped(std::byte* mapped, size_t first, size_t end) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  first = first / page * page;
  ::madvise(mapped + first, end - first, MADV_DONTNEED);
}

// Linux reads no more for one hint than it would read ahead by itself, which is 128 KB on most disks. So the bytes are
// asked for in pieces of 128 KB.
void start_reading(std::span<const std::byte> mapped) {
  constexpr uintptr_t kHint = uintptr_t{128} << 10;  // a multiple of every page size, so it also serves as alignment
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data());
  for (uintptr_t first = begin / kHint * kHint; first < begin + mapped.size(); first += kHint) {
    ::madvise(reinterpret_cast<void*>(first), kHint, MADV_WILLNEED);
  }
}

}  // namespace gesso::platform
