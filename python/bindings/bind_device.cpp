#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>

#include "bindings.h"
#include "gesso/device.h"

namespace gesso::bindings {
namespace {

std::optional<double> quota(const CpuInfo& info) {
  return std::isfinite(info.quota) ? std::optional(info.quota) : std::nullopt;
}

nb::dict to_dict(const CpuInfo& info) {
  nb::dict entries;
  entries["name"] = info.name;
  entries["num_cores"] = info.num_cores;
  entries["num_hardware_threads"] = info.num_hardware_threads;
  entries["num_processors"] = info.num_processors;
  entries["quota"] = quota(info);
  entries["num_threads"] = info.num_threads;
  entries["instruction_sets"] = info.instruction_sets;
  entries["unused_instruction_sets"] = info.unused_instruction_sets;
  entries["int8_kernels"] = info.int8_kernels;
  entries["total_bytes"] = info.total_bytes;
  entries["available_bytes"] = info.available_bytes;
  return entries;
}

void bind_cpu_info(nb::module_& module) {
  nb::class_<CpuInfo>(module, "CpuInfo", "The processors and the memory that a model on \"cpu\" has.")
      .def_ro("name", &CpuInfo::name, "\"Neoverse V2\"; empty where the system does not tell it.")
      .def_ro("num_cores", &CpuInfo::num_cores, "Of the whole machine; 0 where the system does not tell it.")
      .def_ro("num_hardware_threads", &CpuInfo::num_hardware_threads,
              "Of all cores together; a core has one or several.")
      .def_ro("num_processors", &CpuInfo::num_processors, "Hardware threads that this process may run on.")
      .def_prop_ro("quota", &quota,
                   "Processors that its control group allows, for example 1.5; None where it has no limit.")
      .def_ro("num_threads", &CpuInfo::num_threads, "Threads that a model takes by default.")
      .def_ro("instruction_sets", &CpuInfo::instruction_sets, "Those that gesso uses here: \"AVX2\", \"NEON\".")
      .def_ro("unused_instruction_sets", &CpuInfo::unused_instruction_sets,
              "Those for products that gesso has no use for: \"AMX int8\".")
      .def_ro("int8_kernels", &CpuInfo::int8_kernels, "What products with int8 activations run: \"avx512_vnni\".")
      .def_ro("total_bytes", &CpuInfo::total_bytes, "Bytes of memory; 0 where the system does not tell it.")
      .def_ro("available_bytes", &CpuInfo::available_bytes,
              "Bytes that the machine can still give, with what cached files take; 0 where it is not told.")
      .def("to_dict", &to_dict, nb::sig("def to_dict(self) -> dict[str, str | int | float | list[str] | None]"),
           "All of these, in types that JSON has.")
      .def("__repr__", [](const CpuInfo& self) { return "<gesso.CpuInfo: " + self.name + ">"; });
  module.def("cpu_info", &cpu_info, nb::call_guard<ReleaseGil>(), "What the CPU of this machine is.");
}

}  // namespace

void bind_device(nb::module_& module) {
  nb::class_<DeviceInfo>(module, "DeviceInfo", "A device that models can run on.")
      .def_ro("name", &DeviceInfo::name, "What `load` takes as device: \"cpu\", \"cuda:0\".")
      .def_ro("description", &DeviceInfo::description, "\"NVIDIA H200\"; empty for the CPU.")
      .def_ro("arch", &DeviceInfo::arch, "Compute capability, 10 * major + minor; 0 for the CPU.")
      .def_ro("total_bytes", &DeviceInfo::total_bytes, "Bytes of its memory; 0 for the CPU.")
      .def_ro("free_bytes", &DeviceInfo::free_bytes, "Bytes of its memory that are free; 0 for the CPU.")
      .def_ro("used_bytes", &DeviceInfo::used_bytes, "Bytes that gesso has taken in this process.")
      .def_ro("shares_host_memory", &DeviceInfo::shares_host_memory,
              "Whether weights are read where the file is mapped, without a second copy.")
      .def("__repr__", [](const DeviceInfo& self) {
        return "<gesso.DeviceInfo: " + self.name + (self.description.empty() ? "" : ", " + self.description) + ">";
      });
  bind_cpu_info(module);
  module.def("has_cuda", &has_cuda, "Whether this build can use GPUs at all.");
  module.def(
      "gpu_problem",
      [] {
        const std::string problem = gpu_problem();
        return problem.empty() ? std::nullopt : std::optional(problem);
      },
      nb::call_guard<ReleaseGil>(),
      "Why a GPU of this machine cannot be used, for example because its driver is too old. None where nothing is"
      " wrong, also without a GPU or a driver.");
  module.def("devices", &devices, nb::call_guard<ReleaseGil>(),
             "The CPU, then every GPU of this machine. Where there is no GPU or no driver, it is the CPU alone.");
}

}  // namespace gesso::bindings
