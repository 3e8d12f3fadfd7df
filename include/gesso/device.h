// The devices that models can run on.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "gesso/export.h"

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

// The processors and the memory that a model on "cpu" has.
struct CpuInfo {
  std::string name;   // "AMD EPYC 9354 32-Core Processor", "Neoverse V2"; empty where the system does not tell it
  int num_cores = 0;  // of the whole machine, as num_hardware_threads; 0 where the system does not tell it
  int num_hardware_threads = 0;                            // a core has one or several
  int num_processors = 0;                                  // hardware threads that this process may run on
  double quota = std::numeric_limits<double>::infinity();  // processors that its control group allows: docker --cpus
  int num_threads = 0;                                     // that a model takes by default
  std::vector<std::string> instruction_sets;               // that gesso uses here: "AVX2", "AVX-512 VNNI", "NEON"
  std::vector<std::string> unused_instruction_sets;        // for products, too, but gesso has none for them: "AMX int8"
  std::string int8_kernels;                                // what products with int8 activations run: "avx512_vnni"
  int64_t total_bytes = 0;      // of the machine's memory; 0 where the system does not tell it
  int64_t available_bytes = 0;  // that the machine can still give, with what cached files take; 0 as above
};

GESSO_API CpuInfo cpu_info();
// Whether this build of the library can use GPUs at all.
GESSO_API bool has_cuda();
// The CPU, then every GPU of this machine that models can run on (compute capability 8.0 and later). On a machine
// without GPU or driver there is only the CPU.
GESSO_API std::vector<DeviceInfo> devices();
// Why a GPU of this machine is not among them, for example "the NVIDIA driver is for CUDA 12.4 (nvidia-smi shows it),
// and gesso needs one for CUDA 13.0 or newer". It is empty where nothing is wrong, also without a GPU or a driver. A
// model that is loaded with "auto" runs on the CPU then, so a program should show this.
GESSO_API std::string gpu_problem();

}  // namespace gesso
