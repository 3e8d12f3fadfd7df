#include "heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "canary.h"

namespace gesso::emulator {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kAlignment = 16;
// The addresses of freed memory are used again only after so many other allocations have been freed. Until then a use
// of the freed memory is found.
constexpr size_t kQuarantine = 256;

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

std::byte* usable_begin(const Allocation& allocation) { return allocation.mapped + kPageBytes; }
// Of the bytes between the page before an allocation and its memory, only the last ones are canaries and are checked.
constexpr size_t kCheckedBytes = kMaxCanaryBytes;

std::byte* checked_begin(const Allocation& allocation) {
  return allocation.data -
         std::min<size_t>(kCheckedBytes, static_cast<size_t>(allocation.data - usable_begin(allocation)));
}

std::byte* usable_end(const Allocation& allocation) { return allocation.mapped + allocation.mapped_bytes - kPageBytes; }

void protect(const Allocation& allocation, int protection) {
  if (allocation.is_dry && allocation.kind == MemoryKind::kDevice) return;  // its addresses must stay untouchable
  mprotect(usable_begin(allocation), static_cast<size_t>(usable_end(allocation) - usable_begin(allocation)),
           protection);
}

const char* kind_name(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::kDevice:
      return "device memory";
    case MemoryKind::kPinned:
      return "pinned host memory";
    case MemoryKind::kRegistered:
      return "registered host memory";
  }
  return "";
}

std::string size_text(const Allocation& allocation) {
  return std::to_string(allocation.bytes) + " bytes of " + kind_name(allocation.kind);
}

bool is_within_mapping(const Allocation& allocation, const std::byte* address) {
  return allocation.mapped && address >= allocation.mapped && address < allocation.mapped + allocation.mapped_bytes;
}

}  // namespace

Heap& Heap::instance() {
  // The heap is never destroyed: static objects of the program may free memory after it would have been.
  static Heap* heap = new Heap();
  return *heap;
}

void* Heap::allocate(MemoryKind kind, int device, size_t bytes, bool is_dry) {
  const bool is_device = kind == MemoryKind::kDevice;
  const size_t usable_bytes = round_up(std::max<size_t>(bytes, 1), kPageBytes);
  const size_t mapped_bytes = usable_bytes + 2 * kPageBytes;
  void* mapped = mmap(nullptr, mapped_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  Allocation allocation = {nullptr, bytes, kind, device, static_cast<std::byte*>(mapped), mapped_bytes, is_dry};
  allocation.data = usable_end(allocation) - round_up(bytes, kAlignment);
  protect(allocation, PROT_READ | PROT_WRITE);
  if (!is_dry) {
    std::byte* end = allocation.data + bytes;
    fill_canary(checked_begin(allocation), static_cast<size_t>(allocation.data - checked_begin(allocation)));
    std::memset(allocation.data, kPoison, bytes);
    fill_canary(end, static_cast<size_t>(usable_end(allocation) - end));
  }
  const std::lock_guard lock(mutex_);
  if (is_device) {
    if (num_opened_[device] == 0) protect(allocation, PROT_NONE);
    Usage& usage = device_usage_[device];
    usage.bytes += static_cast<int64_t>(bytes);
    usage.peak = std::max(usage.peak, usage.bytes);
  } else {
    pinned_bytes_ += static_cast<int64_t>(bytes);
  }
  allocations_[allocation.data] = allocation;
  return allocation.data;
}

bool Heap::release(MemoryKind kind, void* data) {
  const std::lock_guard lock(mutex_);
  const auto found = allocations_.find(static_cast<std::byte*>(data));
  if (found == allocations_.end() || found->second.kind != kind) return false;
  const Allocation allocation = found->second;
  allocations_.erase(found);
  if (kind == MemoryKind::kDevice) device_usage_[allocation.device].bytes -= static_cast<int64_t>(allocation.bytes);
  if (kind == MemoryKind::kPinned) pinned_bytes_ -= static_cast<int64_t>(allocation.bytes);
  if (allocation.mapped) retire(allocation);
  return true;
}

void Heap::retire(const Allocation& allocation) {
  protect(allocation, PROT_NONE);
  madvise(allocation.mapped, allocation.mapped_bytes, MADV_DONTNEED);
  freed_.push_back(allocation);
  if (freed_.size() <= kQuarantine) return;
  munmap(freed_.front().mapped, freed_.front().mapped_bytes);
  freed_.pop_front();
}

bool Heap::add_registered(void* data, size_t bytes) {
  const std::lock_guard lock(mutex_);
  std::byte* begin = static_cast<std::byte*>(data);
  return allocations_.emplace(begin, Allocation{begin, bytes, MemoryKind::kRegistered, 0, nullptr, 0, false}).second;
}

// The allocation that begins at the address, or else the nearest one that begins before it.
const Allocation* Heap::before(const void* address) const {
  const auto next = allocations_.upper_bound(static_cast<std::byte*>(const_cast<void*>(address)));
  return next == allocations_.begin() ? nullptr : &std::prev(next)->second;
}

bool Heap::find(const void* address, Range* range) const {
  return find_or_end(address, range) && address != range->data + range->bytes;
}

bool Heap::find_or_end(const void* address, Range* range) const {
  const std::lock_guard lock(mutex_);
  const Allocation* allocation = before(address);
  if (!allocation || address > allocation->data + allocation->bytes) return false;
  *range = {allocation->kind, allocation->device, allocation->data, allocation->bytes};
  return true;
}

bool Heap::is_near(const void* address) const {
  Range range;
  if (find_or_end(address, &range)) return true;
  const std::lock_guard lock(mutex_);
  for (const auto& [data, allocation] : allocations_) {
    if (is_within_mapping(allocation, static_cast<const std::byte*>(address))) return true;
  }
  return false;
}

std::string Heap::describe(const void* address) const {
  const std::lock_guard lock(mutex_);
  const std::byte* byte = static_cast<const std::byte*>(address);
  for (const auto& [data, allocation] : allocations_) {
    if (!is_within_mapping(allocation, byte)) continue;
    if (byte < data) return std::to_string(data - byte) + " bytes before " + size_text(allocation);
    const std::byte* end = data + allocation.bytes;
    if (byte >= end) return std::to_string(byte - end) + " bytes behind the end of " + size_text(allocation);
    return "byte " + std::to_string(byte - data) + " of " + size_text(allocation) + ", which is of device " +
           std::to_string(allocation.device);
  }
  for (const Allocation& allocation : freed_) {
    if (is_within_mapping(allocation, byte)) return "an address in " + size_text(allocation) + " that were freed";
  }
  char text[80];
  std::snprintf(text, sizeof(text), "address %p, which is in no allocation, or misaligned", address);
  return text;
}

std::string Heap::find_damage() {
  const std::lock_guard lock(mutex_);
  for (auto& [data, allocation] : allocations_) {
    const bool is_closed = allocation.kind == MemoryKind::kDevice && num_opened_[allocation.device] == 0;
    if (!allocation.mapped || allocation.is_dry || is_closed) continue;
    std::byte* begin = checked_begin(allocation);
    std::byte* end = data + allocation.bytes;
    const size_t before = static_cast<size_t>(data - begin);
    const size_t behind = static_cast<size_t>(usable_end(allocation) - end);
    const bool is_intact_before = is_canary(begin, before);
    if (is_intact_before && is_canary(end, behind)) continue;
    fill_canary(begin, before);
    fill_canary(end, behind);
    return std::string("out of bounds: written ") + (is_intact_before ? "behind " : "before ") + size_text(allocation);
  }
  return "";
}

void Heap::open(int device) {
  const std::lock_guard lock(mutex_);
  if (num_opened_[device]++ == 0) protect_device(device, PROT_READ | PROT_WRITE);
}

void Heap::close(int device) {
  const std::lock_guard lock(mutex_);
  if (--num_opened_[device] == 0) protect_device(device, PROT_NONE);
}

void Heap::protect_device(int device, int protection) {
  for (const auto& [data, allocation] : allocations_) {
    if (allocation.kind == MemoryKind::kDevice && allocation.device == device) protect(allocation, protection);
  }
}

int64_t Heap::allocated_bytes(int device) const {
  const std::lock_guard lock(mutex_);
  const auto found = device_usage_.find(device);
  return found == device_usage_.end() ? 0 : found->second.bytes;
}

int64_t Heap::peak_bytes(int device) const {
  const std::lock_guard lock(mutex_);
  const auto found = device_usage_.find(device);
  return found == device_usage_.end() ? 0 : found->second.peak;
}

void Heap::reset_peak(int device) {
  const std::lock_guard lock(mutex_);
  device_usage_[device].peak = device_usage_[device].bytes;
}

int64_t Heap::pinned_bytes() const {
  const std::lock_guard lock(mutex_);
  return pinned_bytes_;
}

std::string Heap::largest_allocation(int device) {
  open(device);
  std::string bytes;
  {
    const std::lock_guard lock(mutex_);
    const Allocation* largest = nullptr;
    for (const auto& [data, allocation] : allocations_) {
      if (allocation.kind != MemoryKind::kDevice || allocation.device != device || allocation.is_dry) continue;
      if (!largest || allocation.bytes > largest->bytes) largest = &allocation;
    }
    if (largest) bytes.assign(reinterpret_cast<const char*>(largest->data), largest->bytes);
  }
  close(device);
  return bytes;
}

std::string describe_address(const void* address) { return Heap::instance().describe(address); }

}  // namespace gesso::emulator
