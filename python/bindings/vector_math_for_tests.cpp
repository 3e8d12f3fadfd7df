// The CPU's functions over arrays of floats.
#include "cpu/simd/vector_math.h"

#include "core/check.h"
#include "for_tests.h"

namespace gesso::bindings {
namespace {

using Floats = nb::ndarray<nb::numpy, float, nb::ndim<1>>;
using Function = void (*)(const float*, int64_t, float*);

template <Function kFunction>
Floats apply(Vector<float> x) {
  std::vector<float> out(x.data(), x.data() + x.size());
  kFunction(out.data(), static_cast<int64_t>(out.size()), out.data());
  return copy_to_numpy<float>(out);
}

Floats gelu_mul(Vector<float> gate, Vector<float> up) {
  check(gate.size() == up.size(), "gelu_mul: ", gate.size(), " and ", up.size(), " elements");
  std::vector<float> out(gate.size());
  cpu::gelu_mul(gate.data(), up.data(), static_cast<int64_t>(out.size()), out.data());
  return copy_to_numpy<float>(out);
}

Floats soft_cap(float cap, Vector<float> x) {
  std::vector<float> out(x.size());
  cpu::soft_cap(cap, x.data(), static_cast<int64_t>(out.size()), out.data());
  return copy_to_numpy<float>(out);
}

}  // namespace

void bind_vector_math(nb::module_& module) {
  module.def("exp", apply<cpu::exp>, "x"_a);
  module.def("log", apply<cpu::log>, "x"_a);
  module.def("tanh", apply<cpu::tanh>, "x"_a);
  module.def("gelu_mul", gelu_mul, "gate"_a, "up"_a);
  module.def("soft_cap", soft_cap, "cap"_a, "x"_a);
}

}  // namespace gesso::bindings
