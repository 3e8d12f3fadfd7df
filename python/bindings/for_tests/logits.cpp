// How far logits are from those of the CPU, by the rule of gesso_gpu_answers.
#include "answers/comparison.h"
#include "core/check.h"
#include "for_tests.h"

namespace gesso::bindings {
namespace {

bench::LogitDifference compare_logits(Rows got, Rows expected, const std::string& activations, int64_t num_layers) {
  const ConstMatrix a = to_matrix(got), b = to_matrix(expected);
  check(a.rows == b.rows && a.columns == b.columns, "compare_logits: expected [", b.rows, ", ", b.columns, "], got [",
        a.rows, ", ", a.columns, "]");
  bench::LogitComparison comparison;
  for (int64_t r = 0; r < b.rows; ++r) {
    comparison.add({a.row(r), static_cast<size_t>(a.columns)}, {b.row(r), static_cast<size_t>(b.columns)}, b.columns);
  }
  return comparison.result(activations, num_layers);
}

}  // namespace

void bind_logits(nb::module_& module) {
  using bench::LogitDifference;
  nb::class_<LogitDifference>(module, "LogitDifference")
      .def_ro("relative_error", &LogitDifference::relative_error)
      .def_ro("largest_relative_error", &LogitDifference::largest_relative_error)
      .def_ro("mean_kl", &LogitDifference::mean_kl)
      .def_ro("largest_mean_kl", &LogitDifference::largest_mean_kl)
      .def_ro("argmax_agreement", &LogitDifference::argmax_agreement)
      .def("problems", &LogitDifference::problems);
  module.def("compare_logits", compare_logits, "got"_a, "expected"_a, "activations"_a, "num_layers"_a,
             "Of rows [R, V], on a device that rounds activations, of a model with so many layers.");
}

}  // namespace gesso::bindings
