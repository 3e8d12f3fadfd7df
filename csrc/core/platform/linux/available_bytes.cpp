#include <fstream>
#include <limits>
#include <string>

#include "core/platform/memory.h"

namespace gesso::platform {

// Linux tells it in a line "MemAvailable: 123456 kB".
size_t available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  for (size_t kilobytes; file >> name >> kilobytes; file.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    if (name == "MemAvailable:") return kilobytes << 10;
  }
  return std::numeric_limits<size_t>::max();
}

}  // namespace gesso::platform
