#include "shared_region.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "canary.h"

namespace gesso::emulator {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kLargestBytes = 228 * 1024;
constexpr size_t kAlignment = 128;
// These bytes before the memory are checked. Behind the memory there are fewer than kAlignment bytes up to the page.
constexpr size_t kCheckedBytes = 128;
constexpr size_t kUsableBytes = kPageBytes + kLargestBytes;
constexpr size_t kMappedBytes = kUsableBytes + 2 * kPageBytes;

}  // namespace

SharedRegion::SharedRegion() {
  void* mapped = mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  mapped_ = static_cast<std::byte*>(mapped);
  mprotect(mapped_, kPageBytes, PROT_NONE);
  mprotect(mapped_ + kPageBytes + kUsableBytes, kPageBytes, PROT_NONE);
}

SharedRegion::~SharedRegion() { munmap(mapped_, kMappedBytes); }

void SharedRegion::begin(size_t bytes) {
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  std::byte* end = mapped_ + kPageBytes + kUsableBytes;
  memory_ = {end - rounded, bytes};
  if (bytes == 0) return;
  fill_canary(memory_.data - kCheckedBytes, kCheckedBytes);
  std::memset(memory_.data, kPoison, bytes);
  fill_canary(memory_.data + bytes, rounded - bytes);
}

std::string SharedRegion::find_damage() const {
  if (memory_.bytes == 0) return "";
  const size_t gap = static_cast<size_t>(mapped_ + kPageBytes + kUsableBytes - memory_.data) - memory_.bytes;
  const std::string memory = " the block's " + std::to_string(memory_.bytes) + " bytes of shared memory";
  if (!is_canary(memory_.data - kCheckedBytes, kCheckedBytes)) return "out of bounds: written before" + memory;
  if (!is_canary(memory_.data + memory_.bytes, gap)) return "out of bounds: written behind" + memory;
  return "";
}

bool SharedRegion::is_guard(const void* address) const {
  const std::byte* byte = static_cast<const std::byte*>(address);
  const std::byte* end = mapped_ + kPageBytes + kUsableBytes;
  return (byte >= mapped_ && byte < mapped_ + kPageBytes) || (byte >= end && byte < end + kPageBytes);
}

}  // namespace gesso::emulator
