#include "api/device_choice.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/platform/memory.h"
#include "core/platform/processors.h"
#include "core/threads/thread_count.h"
#include "gesso/bench.h"
#include "gesso/device.h"

namespace gesso {
namespace {

// Instruction sets with products that gesso does not use, as Linux spells them and as people do.
constexpr std::pair<const char*, const char*> kUnused[] = {
    {"avx_vnni", "AVX-VNNI"},
    {"avx512_bf16", "AVX-512 BF16"},
    {"avx512_fp16", "AVX-512 FP16"},
    {"amx_int8", "AMX int8"},
    {"amx_bf16", "AMX bf16"},
    {"sve", "SVE"},
    {"sve2", "SVE2"},
    {"sme", "SME"},
    {"bf16", "NEON bf16"},
};

std::string names_of(const std::vector<ops::Device>& devices) {
  std::string names = "\"cpu\"";
  for (const ops::Device& device : devices) names += ", \"" + device.name + "\"";
  return names;
}

}  // namespace

CpuInfo cpu_info() {
  platform::ProcessorKind kind = platform::processor_kind();
  CpuInfo info;
  info.name = std::move(kind.name);
  info.num_cores = kind.num_cores;
  info.num_hardware_threads = kind.num_hardware_threads;
  info.num_processors = platform::num_processors();
  info.quota = platform::cpu_quota();
  info.num_threads = resolve_threads(0);
  for (const auto& [feature, name] : kUnused) {
    if (std::ranges::find(kind.features, feature) != kind.features.end()) info.unused_instruction_sets.push_back(name);
  }
  for (const std::string& name : instruction_sets()) {  // which also has those that are only measured
    const auto is_it = [&](const auto& unused) { return unused.second == name; };
    if (std::ranges::none_of(kUnused, is_it)) info.instruction_sets.push_back(name);
  }
  info.int8_kernels = int8_kernels_name();
  info.total_bytes = static_cast<int64_t>(platform::total_bytes());
  const size_t available = platform::available_bytes();
  if (available != std::numeric_limits<size_t>::max()) info.available_bytes = static_cast<int64_t>(available);
  return info;
}

bool has_cuda() { return ops::has_device_backend(); }

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> infos(1);
  infos[0].name = "cpu";
  for (const ops::Device& device : ops::devices()) {
    infos.push_back({device.name, device.description, device.arch, device.total_bytes, ops::free_bytes(device.index),
                     ops::allocated_bytes(device.index), device.reads_host_memory});
  }
  return infos;
}

std::string gpu_problem() { return ops::device_problem(); }

std::optional<ops::Device> choose_device(const std::string& name) {
  if (name == "cpu") return std::nullopt;
  const bool is_known = name == "auto" || name == "cuda" || name.starts_with("cuda:");
  check(is_known, "device: expected \"auto\", \"cpu\", \"cuda\" or \"cuda:<number>\", got \"", name, "\"");
  const std::vector<ops::Device> devices = ops::devices();
  if (name == "auto" && devices.empty()) return std::nullopt;
  check(has_cuda(), "device: this build of gesso has no CUDA backend, got \"", name, "\"");
  for (const ops::Device& device : devices) {
    if (name == "auto" || name == "cuda" || name == device.name) return device;
  }
  const std::string problem = gpu_problem();
  throw ArgumentError(concat("device: there is no \"", name, "\" here, only ", names_of(devices),
                             problem.empty() ? "" : ": ", problem));
}

ActivationType choose_activations(const std::string& name, const std::optional<ops::Device>& device) {
  const bool is_known = name == "auto" || name == "f32" || name == "bf16" || name == "int8";
  check(is_known, "activations: expected \"auto\", \"f32\", \"bf16\" or \"int8\", got \"", name, "\"");
  check(device || name != "bf16", "activations: the CPU has \"f32\" and \"int8\", got \"bf16\"");
  check(!device || name != "f32", "activations: a GPU has \"bf16\" and \"int8\", got \"f32\", which only the CPU has");
  if (name == "f32") return ActivationType::kF32;
  if (name == "bf16") return ActivationType::kBF16;
  if (name == "int8" || !device) return ActivationType::kInt8;
  return ops::default_activations(*device);
}

}  // namespace gesso
