#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "gesso/device.h"

namespace gesso::bindings {

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
