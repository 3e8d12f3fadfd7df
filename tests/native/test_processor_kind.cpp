// What is known of the processors, read from made-up files like those of real machines.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/platform/processors.h"
#include "gesso/bench.h"
#include "gesso/device.h"

namespace {

using gesso::platform::processor_kind;
using gesso::platform::ProcessorKind;

class Machine {
 public:
  explicit Machine(const std::string& cpuinfo) {
    std::filesystem::remove_all(root_);
    write("/proc/cpuinfo", cpuinfo);
  }
  ~Machine() { std::filesystem::remove_all(root_); }
  const std::string& root() const { return root_; }
  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }

 private:
  std::string root_ = std::filesystem::temp_directory_path() / ("gesso_cpuinfo_" + std::to_string(::getpid()));
};

const std::string kX86 =
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Platinum 8480+\n"
    "flags\t\t: fpu avx2 amx_int8\nbugs\t\t: spectre_v1\n\n"
    "processor\t: 1\nmodel name\t: Intel(R) Xeon(R) Platinum 8480+\nflags\t\t: fpu avx2 amx_int8\n\n";
const std::string kGrace =
    "processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd sve i8mm\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU part\t: 0xd4f\n";

}  // namespace

TEST_CASE("x86: the name, the features and the cores with their threads") {
  const Machine machine(kX86);
  for (const std::string n : {"0", "1", "2", "3"}) {
    machine.write("/sys/devices/system/cpu/cpu" + n + "/topology/thread_siblings_list", n < "2" ? "0-1\n" : "2-3\n");
  }
  machine.write("/sys/devices/system/cpu/cpu4/online", "0\n");  // a processor that is off has no topology
  machine.write("/sys/devices/system/cpu/cpufreq/boost", "1\n");
  const ProcessorKind kind = processor_kind(machine.root());
  CHECK(kind.name == "Intel(R) Xeon(R) Platinum 8480+");
  CHECK(kind.features == std::vector<std::string>{"fpu", "avx2", "amx_int8"});
  CHECK(kind.num_cores == 2);
  CHECK(kind.num_hardware_threads == 4);
}

TEST_CASE("Arm: numbers in place of names, and several kinds of cores") {
  CHECK(processor_kind(Machine(kGrace).root()).name == "Neoverse V2");
  CHECK(processor_kind(Machine(kGrace).root()).features.back() == "i8mm");
  const std::string two =
      "CPU implementer\t: 0x41\nCPU part\t: 0xd85\n\nCPU implementer\t: 0x41\nCPU part\t: 0xd87\n\n";
  CHECK(processor_kind(Machine(two + two).root()).name == "Cortex-X925, Cortex-A725");
  const std::string unknown = "CPU implementer\t: 0x99\nCPU part\t: 0x123\n";
  CHECK(processor_kind(Machine(unknown).root()).name == "Arm processor 0x123 of designer 0x99");
}

TEST_CASE("what is not told is empty") {
  for (const char* text : {"", "model name", "model name :\n", "\n:\n", "flags\t:\n"}) {
    const ProcessorKind kind = processor_kind(Machine(text).root());
    CHECK(kind.name.empty());
    CHECK(kind.features.empty());
    CHECK(kind.num_cores == 0);
  }
  CHECK(processor_kind("/nowhere").name.empty());
}

TEST_CASE("this machine's CPU, as programs see it") {
  const gesso::CpuInfo info = gesso::cpu_info();
  CHECK(info.num_processors > 0);
  CHECK(info.num_threads > 0);
  CHECK(info.num_threads <= info.num_processors);
  CHECK(info.num_cores <= info.num_hardware_threads);
  CHECK(info.quota > 0);
  CHECK(info.int8_kernels == gesso::int8_kernels_name());
  CHECK(info.available_bytes <= info.total_bytes);
  for (const std::string& name : info.unused_instruction_sets) {
    CHECK(std::ranges::find(info.instruction_sets, name) == info.instruction_sets.end());
  }
}
