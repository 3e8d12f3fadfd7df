#include "io/read_ahead.h"

#include <algorithm>
#include <system_error>

#include "core/log.h"
#include "core/platform/memory.h"
#include "core/platform/process.h"

namespace gesso::io {
namespace {

constexpr size_t kPieceBytes = size_t{16} << 20;  // large enough for the full speed of a disk
constexpr size_t kMinBytes = size_t{64} << 20;    // below this, a first step is hardly slower without reading ahead

}  // namespace

ReadAhead::ReadAhead(std::vector<std::span<const std::byte>> ranges) : process_(platform::process_id()) {
  size_t num_bytes = 0;
  for (std::span<const std::byte> range : ranges) {
    num_bytes += range.size();
    for (size_t first = 0; first < range.size(); first += kPieceBytes) {
      pieces_.push_back(range.subspan(first, std::min(kPieceBytes, range.size() - first)));
    }
  }
  if (num_bytes < kMinBytes) return;
  if (num_bytes > platform::available_bytes()) {
    log_message(LogLevel::kInfo, [&] {
      return concat("weights are not read ahead: they have ", size_text(static_cast<int64_t>(num_bytes)), ", and ",
                    size_text(static_cast<int64_t>(platform::available_bytes())), " of memory are available");
    });
    return;
  }
  try {
    thread_ = std::thread([this] { read_all(); });
  } catch (const std::system_error&) {  // the system refuses another thread: then steps read the weights themselves
  }
}

ReadAhead::~ReadAhead() {
  is_stopped_ = true;
  if (!thread_.joinable()) return;
  if (process_ == platform::process_id()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void ReadAhead::read_all() const {
  // A hint alone: where the system ignores it, touch() reads.
  platform::start_reading(pieces_[0]);
  for (size_t i = 0; i < pieces_.size() && !is_stopped_; ++i) {
    if (i + 1 < pieces_.size()) platform::start_reading(pieces_[i + 1]);
    touch(pieces_[i]);
  }
}

// Reads one byte of each page. That waits until the page is in memory, and maps it; so a step has no page faults later.
void ReadAhead::touch(std::span<const std::byte> bytes) const {
  constexpr size_t kPage = 4096;  // the smallest page size; where pages are larger, some are read more than once
  for (size_t i = 0; i < bytes.size() && !is_stopped_; i += kPage) {
    static_cast<void>(*const_cast<const volatile std::byte*>(&bytes[i]));
  }
}

}  // namespace gesso::io
