#include "gesso/bench.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace gesso::bindings {

void bind_bench(nb::module_& module) {
  nb::class_<OpProfile>(module, "OpProfile", "All calls of one op with one role of weights.")
      .def_ro("op", &OpProfile::op)
      .def_ro("weight", &OpProfile::weight, "\"attn_q\"; empty where there is none.")
      .def_ro("types", &OpProfile::types, "Of the weights: \"Q4_K Q6_K\".")
      .def_ro("calls", &OpProfile::calls)
      .def_ro("ms", &OpProfile::ms)
      .def_ro("stored_bytes", &OpProfile::stored_bytes, "Weights, cached keys and values: each once per call.")
      .def_ro("activation_bytes", &OpProfile::activation_bytes, "Rows read and written.")
      .def_ro("float_operations", &OpProfile::float_operations, "Multiplications and additions of products of floats.")
      .def_ro("int8_operations", &OpProfile::int8_operations, "The same of integers.");
  nb::class_<Ceiling>(module, "Ceiling", "How fast a loop is that does nothing else.")
      .def_ro("name", &Ceiling::name, "\"copy\", \"read\", \"float32\", \"bf16\", \"int8\".")
      .def_ro("instruction_set", &Ceiling::instruction_set)
      .def_ro("bytes_per_s", &Ceiling::bytes_per_s)
      .def_ro("operations_per_s", &Ceiling::operations_per_s);
  module.def(
      "measure_ceilings",
      [](int num_threads, int64_t bytes, double milliseconds) {
        return measure_ceilings({num_threads, bytes, milliseconds});
      },
      nb::arg("num_threads"), nb::arg("bytes"), nb::arg("milliseconds"), nb::call_guard<nb::gil_scoped_release>(),
      "Bandwidth of two buffers of `bytes` each, and rates of products; about so many milliseconds for each.");
  module.def("int8_kernels_name", &int8_kernels_name, "The inner loops that int8 activations run on this CPU.");
  module.def("instruction_sets", &instruction_sets, "Of products, as ceilings are measured with.");
}

}  // namespace gesso::bindings
