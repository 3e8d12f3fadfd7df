#include "gesso/weight_scales.h"

#include "bindings.h"
#include "gguf_tensors.h"

namespace gesso::bindings {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

}  // namespace

void bind_weight_scales(nb::module_& module) {
  module.attr("LARGEST_NVFP4") = kLargestNvfp4;
  nb::class_<PlannedTensor> planned(module, "PlannedTensor", "One tensor of a file whose tensors get other types.");
  nb::enum_<PlannedTensor::Values>(planned, "Values", "Which values it has.")
      .value("COPIED", PlannedTensor::Values::kCopied, "Those of `source`.")
      .value("MULTIPLIED", PlannedTensor::Values::kMultiplied, "Those of `source` times `scale`.")
      .value("DIVIDED", PlannedTensor::Values::kDivided, "Those of `source` divided by its nvfp4_scale().")
      .value("NEW_SCALE", PlannedTensor::Values::kNewScale,
             "The nvfp4_scale() of `source`, times `scale` if there is one.");
  planned.def_prop_ro("name", [](const PlannedTensor& self) { return self.tensor.name; })
      .def_prop_ro("type", [](const PlannedTensor& self) { return self.tensor.type; })
      .def_prop_ro("shape", [](const PlannedTensor& self) { return self.tensor.shape; })
      .def_ro("values", &PlannedTensor::values)
      .def_ro("source", &PlannedTensor::source, "An index of the tensors that were given.")
      .def_ro("scale", &PlannedTensor::scale, "The index of the weight scale that `source` has; -1: it has none.");
  module.def(
      "plan_tensors",
      [](const std::vector<DescribedTensor>& tensors, const std::vector<std::string>& types) {
        return plan_tensors(to_tensors(tensors), types);
      },
      nb::arg("tensors"), nb::arg("types"),
      "The tensors of the new file if each tensor gets the type in its place: with new weight scales, and without"
      " those that are multiplied into other types.");
  module.def(
      "nvfp4_scale",
      [](const std::string& type, const Bytes& data, int num_threads) {
        ReleaseGil release;
        return nvfp4_scale(type, {reinterpret_cast<const std::byte*>(data.data()), data.size()}, num_threads);
      },
      nb::arg("type"), nb::arg("data"), nb::arg("num_threads") = 0,
      "The weight scale of the blocks in `data`, a contiguous uint8 array, when they become NVFP4.");
}

}  // namespace gesso::bindings
