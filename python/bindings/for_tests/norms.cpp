// rms_norm and rms_norm_add for NumPy arrays.
#include "ops/rms_norm.h"

#include "for_tests.h"
#include "normed_products.h"

namespace gesso::bindings {
namespace {

NumpyRows<float> rms_norm(Rows x, std::optional<Stored> weight, float eps, float scale, bool in_place,
                          int num_threads) {
  Call call(num_threads);
  Output out = in_place ? Output(to_matrix(x)) : Output(x.shape(0), x.shape(1));
  const Matrix target = call.output(out);
  ops::rms_norm(call.context(), {.x = in_place ? ConstMatrix(target) : call.matrix(x),
                                 .weight = call.tensor(weight),
                                 .eps = eps,
                                 .scale = scale,
                                 .out = target});
  call.finish();
  return out.finish();
}

NumpyRows<float> rms_norm_add(Rows x, std::optional<Stored> weight, float eps, float scale, Rows residual,
                              int num_threads) {
  Call call(num_threads);
  Output out(to_matrix(residual));
  ops::rms_norm_add(
      call.context(),
      {.x = call.matrix(x), .weight = call.tensor(weight), .eps = eps, .scale = scale, .residual = call.output(out)});
  call.finish();
  return out.finish();
}

// rms_norm, and the products of what it has rounded for them.
std::vector<NumpyRows<float>> rms_norm_products(Rows x, float eps, const NormsOfTest& norms, int num_threads) {
  Call call(num_threads);
  NormedProducts normed(call, norms, x.shape(0), x.shape(1));
  for (const ops::NormedRows& rows : normed.rows()) {
    ops::rms_norm(call.context(), {.x = call.matrix(x),
                                   .weight = rows.weight,
                                   .eps = eps,
                                   .scale = rows.scale,
                                   .out = rows.out,
                                   .rounding = rows.rounding});
  }
  normed.multiply(call);
  call.finish();
  std::vector<NumpyRows<float>> results;
  normed.append_to(results);
  return results;
}

// rms_norm_add with further norms: the residual, and then the products of what was rounded for them.
std::vector<NumpyRows<float>> rms_norm_add_products(Rows x, Stored weight, float eps, float scale, Rows residual,
                                                    const NormsOfTest& next, int num_threads) {
  Call call(num_threads);
  Output out(to_matrix(residual));
  NormedProducts normed(call, next, residual.shape(0), residual.shape(1));
  ops::rms_norm_add(call.context(), {.x = call.matrix(x),
                                     .weight = call.tensor(weight),
                                     .eps = eps,
                                     .scale = scale,
                                     .residual = call.output(out),
                                     .next = normed.rows()});
  normed.multiply(call);
  call.finish();
  std::vector<NumpyRows<float>> results = {out.finish()};
  normed.append_to(results);
  return results;
}

}  // namespace

void bind_norms(nb::module_& module) {
  module.def("rms_norm", rms_norm, "x"_a, "weight"_a.none(), "eps"_a, "scale"_a = 1.0f, nb::kw_only(),
             "in_place"_a = false, num_threads());
  module.def("rms_norm_add", rms_norm_add, "x"_a, "weight"_a.none(), "eps"_a, "scale"_a, "residual"_a, nb::kw_only(),
             num_threads());
  module.def("rms_norm_products", rms_norm_products, "x"_a, "eps"_a, "norms"_a, nb::kw_only(), num_threads());
  module.def("rms_norm_add_products", rms_norm_add_products, "x"_a, "weight"_a, "eps"_a, "scale"_a, "residual"_a,
             "next"_a, nb::kw_only(), num_threads());
}

}  // namespace gesso::bindings
