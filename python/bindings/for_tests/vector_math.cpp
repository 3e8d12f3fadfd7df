// The functions of cpu/simd/vector_math.h for arrays of floats, and the products of cpu/simd/lane_product.h.
#include "cpu/simd/vector_math.h"

#include <algorithm>

#include "core/check.h"
#include "cpu/simd/lane_product.h"
#include "cpu/vocabulary/soft_cap.h"
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

// Returns c * factors + a b, computed by the LaneProduct of that name. a [rows, depth] is passed as its transpose if
// is_transposed.
NumpyRows<float> lane_product(const std::string& name, Rows a, bool is_transposed, Rows b,
                              std::optional<Vector<float>> factors, Rows c) {
  const auto products = cpu::lane_products();
  const auto found =
      std::find_if(products.begin(), products.end(), [&](const auto& each) { return each.name == name; });
  check(found != products.end(), "lane_product: no ", name);
  const size_t depth = b.shape(0), rows = found->rows, lanes = found->lanes;
  check(a.shape(is_transposed ? 1 : 0) == rows && a.shape(is_transposed ? 0 : 1) == depth && b.shape(1) == lanes &&
            c.shape(0) == rows && c.shape(1) == lanes && (!factors || factors->size() == lanes),
        "lane_product: wrong shapes");
  std::vector<float> out(c.data(), c.data() + c.size());
  found->run(a.data(), is_transposed ? 1 : a.stride(0), is_transposed ? a.stride(0) : 1, b.data(),
             static_cast<int64_t>(depth), factors ? factors->data() : nullptr, out.data());
  return rows_to_numpy<float>({out.data(), found->rows, found->lanes});
}

// Returns the products that this machine runs: name -> (rows, lanes).
nb::dict lane_products() {
  nb::dict shapes;
  for (const cpu::LaneProduct& product : cpu::lane_products()) {
    shapes[product.name] = nb::make_tuple(product.rows, product.lanes);
  }
  return shapes;
}

}  // namespace

void bind_vector_math(nb::module_& module) {
  module.def("exp", apply<cpu::exp>, "x"_a);
  module.def("log", apply<cpu::log>, "x"_a);
  module.def("tanh", apply<cpu::tanh>, "x"_a);
  module.def("gelu_mul", gelu_mul, "gate"_a, "up"_a);
  module.def("soft_cap", soft_cap, "cap"_a, "x"_a);
  module.def("lane_products", lane_products);
  module.def("lane_product", lane_product, "name"_a, "a"_a, "is_transposed"_a, "b"_a, "factors"_a.none(), "c"_a);
}

}  // namespace gesso::bindings
