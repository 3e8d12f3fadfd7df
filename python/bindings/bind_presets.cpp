#include "bindings.h"
#include "gesso/presets.h"
#include "gguf_tensors.h"

namespace gesso::bindings {

void bind_presets(nb::module_& module) {
  nb::class_<Preset>(module, "Preset", "Decides which type each tensor of a file gets.")
      .def_ro("name", &Preset::name)
      .def_ro("file_type", &Preset::file_type, "general.file_type in a GGUF file.")
      .def_ro("base_type", &Preset::base_type, "The type of a matrix for which no rule gives another one.");
  module.def("presets", presets, "All presets.");
  module.def("stays_float32", stays_float32, nb::arg("name"), nb::arg("rank"),
             "Whether files store a tensor in F32 with every preset, as they do vectors, norms and the router.");
  module.def(
      "plan_types",
      [](const std::string& preset, const std::vector<DescribedTensor>& tensors, int64_t num_layers,
         bool has_importance) { return plan_types(preset, to_tensors(tensors), {num_layers, has_importance}); },
      nb::arg("preset"), nb::arg("tensors"), nb::arg("num_layers") = -1, nb::arg("has_importance") = false,
      "The type of each tensor. num_layers -1: as many as the names say.");
}

}  // namespace gesso::bindings
