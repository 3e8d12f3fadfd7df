#include "io/read_ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>

namespace gesso::io {
namespace {

constexpr size_t kPieceBytes = size_t{16} << 20;  // long enough for the full speed of a disk
constexpr size_t kMinBytes = size_t{64} << 20;    // below this a first step hardly notices

// "MemAvailable: 123456 kB": free memory, and what files take of it that could go. A lot where the system does not say.
size_t available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  for (size_t kilobytes; file >> name >> kilobytes; file.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    if (name == "MemAvailable:") return kilobytes << 10;
  }
  return std::numeric_limits<size_t>::max();
}

// Starts reading, and does not wait. A hint: where it fails, touching reads. Linux takes no more of one hint than it
// would read ahead by itself, which is 128 KB on most disks.
void start_reading(std::span<const std::byte> bytes) {
  constexpr uintptr_t kHint = uintptr_t{128} << 10;  // also the alignment, whatever a page is
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  for (uintptr_t first = begin / kHint * kHint; first < begin + bytes.size(); first += kHint) {
    ::madvise(reinterpret_cast<void*>(first), kHint, MADV_WILLNEED);
  }
}

}  // namespace

ReadAhead::ReadAhead(std::vector<std::span<const std::byte>> ranges) : process_(::getpid()) {
  size_t num_bytes = 0;
  for (std::span<const std::byte> range : ranges) {
    num_bytes += range.size();
    for (size_t first = 0; first < range.size(); first += kPieceBytes) {
      pieces_.push_back(range.subspan(first, std::min(kPieceBytes, range.size() - first)));
    }
  }
  if (num_bytes < kMinBytes || num_bytes > available_bytes()) return;
  try {
    thread_ = std::thread([this] { read_all(); });
  } catch (const std::system_error&) {  // no more threads: then steps read for themselves
  }
}

ReadAhead::~ReadAhead() {
  is_stopped_ = true;
  if (!thread_.joinable()) return;
  if (process_ == ::getpid()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void ReadAhead::read_all() const {
  start_reading(pieces_[0]);
  for (size_t i = 0; i < pieces_.size() && !is_stopped_; ++i) {
    if (i + 1 < pieces_.size()) start_reading(pieces_[i + 1]);
    touch(pieces_[i]);
  }
}

// Waits for each page, and maps it: a step then has no page faults either.
void ReadAhead::touch(std::span<const std::byte> bytes) const {
  constexpr size_t kPage = 4096;  // or a part of one
  for (size_t i = 0; i < bytes.size() && !is_stopped_; i += kPage) {
    static_cast<void>(*const_cast<const volatile std::byte*>(&bytes[i]));
  }
}

}  // namespace gesso::io
