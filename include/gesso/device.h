// The devices that models can run on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/error.h"

namespace gesso {

struct DeviceInfo {
  std::string name;         // what LoadOptions::device takes: "cpu", "cuda:0"
  std::string description;  // "NVIDIA H200"; empty for the CPU
  int arch = 0;             // compute capability, 10 * major + minor; 0 for the CPU
  int64_t total_bytes = 0;  // of its memory; 0 for the CPU
  int64_t free_bytes = 0;
  int64_t used_bytes = 0;           // taken by gesso in this process
  bool shares_host_memory = false;  // whether weights are read where the file is mapped, without a second copy
};

// Whether this build of the library can use GPUs at all.
bool has_cuda();
// The CPU, then every GPU of this machine that models can run on (compute capability 8.0 and later). On a machine
// without GPU or driver there is only the CPU.
std::vector<DeviceInfo> devices();

}  // namespace gesso
