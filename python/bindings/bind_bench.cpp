#include "gesso/bench.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace gesso::bindings {

void bind_bench(nb::module_& module) {
  nb::class_<OpProfile>(module, "OpProfile", "The calls of one op with one role of weights, taken together.")
      .def_ro("op", &OpProfile::op)
      .def_ro("weight", &OpProfile::weight,
              "The role of the weights, for example \"attn_output\"; empty for an op without weights.")
      .def_ro("types", &OpProfile::types, "The types of the weights, for example \"Q4_K Q6_K\".")
      .def_ro("plan", &OpProfile::plan,
              "How a GPU computed it; empty on the CPU. Layers may differ: \"first plan; second plan\".")
      .def_ro("calls", &OpProfile::calls)
      .def_ro("ms", &OpProfile::ms)
      .def_ro("stored_bytes", &OpProfile::stored_bytes,
              "Bytes of weights and of cached keys and values; each counts once per call.")
      .def_ro("activation_bytes", &OpProfile::activation_bytes, "Bytes of the rows that were read and written.")
      .def_ro("float_operations", &OpProfile::float_operations, "Multiplications and additions in products of floats.")
      .def_ro("int8_operations", &OpProfile::int8_operations, "Multiplications and additions in products of integers.");
  nb::class_<Ceiling>(module, "Ceiling",
                      "The rate of a loop that does nothing else: how fast this machine can be at most.")
      .def_ro("name", &Ceiling::name, "One of \"copy\", \"read\", \"float32\", \"bf16\" and \"int8\".")
      .def_ro("instruction_set", &Ceiling::instruction_set)
      .def_ro("bytes_per_s", &Ceiling::bytes_per_s)
      .def_ro("operations_per_s", &Ceiling::operations_per_s);
  module.def(
      "measure_ceilings",
      [](int num_threads, int64_t bytes, double milliseconds) {
        return measure_ceilings({num_threads, bytes, milliseconds});
      },
      nb::arg("num_threads"), nb::arg("bytes"), nb::arg("milliseconds"), nb::call_guard<ReleaseGil>(),
      "Measures the bandwidth of two buffers of `bytes` each, and the rates of products. Each takes about that many"
      " milliseconds.");
  module.def("int8_kernels_name", &int8_kernels_name,
             "The name of the inner loops that int8 activations run on this CPU.");
  module.def("instruction_sets", &instruction_sets,
             "The instruction sets of products that ceilings are measured with.");
}

}  // namespace gesso::bindings
