#include "api/device_choice.h"

#include "core/check.h"
#include "gesso/device.h"

namespace gesso {
namespace {

std::string names_of(const std::vector<ops::Device>& devices) {
  std::string names = "\"cpu\"";
  for (const ops::Device& device : devices) names += ", \"" + device.name + "\"";
  return names;
}

}  // namespace

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
