#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "core/platform/memory.h"

namespace gesso::platform {
namespace {

// Linux tells each size in a line like "MemAvailable: 123456 kB".
std::optional<size_t> read_size(const std::string& wanted) {
  std::ifstream file("/proc/meminfo");
  std::string name;
  for (size_t kilobytes; file >> name >> kilobytes; file.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    if (name == wanted) return kilobytes << 10;
  }
  return std::nullopt;
}

}  // namespace

size_t available_bytes() { return read_size("MemAvailable:").value_or(std::numeric_limits<size_t>::max()); }
size_t total_bytes() { return read_size("MemTotal:").value_or(0); }

}  // namespace gesso::platform
