#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <system_error>

#include "core/platform/processors.h"

namespace gesso::platform {
namespace {

// Linux tells numbers in place of the names of Arm processors: the designer's, and the part's (register MIDR_EL1).
// These are the ones of servers and of small computers.
struct ArmName {
  const char *implementer, *part, *name;
};
constexpr ArmName kArmNames[] = {
    {"0x41", "0xd08", "Cortex-A72"},  {"0x41", "0xd0b", "Cortex-A76"},  {"0x41", "0xd0c", "Neoverse N1"},
    {"0x41", "0xd40", "Neoverse V1"}, {"0x41", "0xd41", "Cortex-A78"},  {"0x41", "0xd42", "Cortex-A78AE"},
    {"0x41", "0xd49", "Neoverse N2"}, {"0x41", "0xd4f", "Neoverse V2"}, {"0x41", "0xd84", "Neoverse V3"},
    {"0x41", "0xd85", "Cortex-X925"}, {"0x41", "0xd87", "Cortex-A725"}, {"0x41", "0xd8e", "Neoverse N3"},
    {"0xc0", "0xac3", "Ampere-1"},    {"0xc0", "0xac4", "Ampere-1A"},   {"0x51", "0x001", "Oryon"},
};

std::string arm_name(const std::string& implementer, const std::string& part) {
  for (const ArmName& known : kArmNames) {
    if (known.implementer == implementer && known.part == part) return known.name;
  }
  return "Arm processor " + part + " of designer " + implementer;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// The file has a block of lines "name : value" for each processor. What they are called depends on the architecture.
void read_blocks(const std::string& root, ProcessorKind& kind) {
  std::ifstream file(root + "/proc/cpuinfo");
  std::vector<std::string> names;
  std::string implementer;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = trimmed(line.substr(0, colon)), value = trimmed(line.substr(colon + 1));
    std::string name;
    if (key == "model name") name = value;
    if (key == "CPU implementer") implementer = value;
    if (key == "CPU part") name = arm_name(implementer, value);
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
    if ((key == "flags" || key == "Features") && kind.features.empty()) {
      std::istringstream words(value);
      kind.features.assign(std::istream_iterator<std::string>(words), {});
    }
  }
  for (const std::string& name : names) kind.name += (kind.name.empty() ? "" : ", ") + name;
}

// Each processor that is online has a file with the list of those on its core.
void count_cores(const std::string& root, ProcessorKind& kind) {
  std::set<std::string> cores;
  std::error_code error;
  std::filesystem::directory_iterator entry(root + "/sys/devices/system/cpu", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::ifstream file(entry->path() / "topology" / "thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings)) continue;
    cores.insert(siblings);
    ++kind.num_hardware_threads;
  }
  kind.num_cores = static_cast<int>(cores.size());
}

}  // namespace

ProcessorKind processor_kind(const std::string& root) {
  ProcessorKind kind;
  read_blocks(root, kind);
  count_cores(root, kind);
  return kind;
}

}  // namespace gesso::platform
