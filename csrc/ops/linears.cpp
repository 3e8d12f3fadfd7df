#include "ops/linears.h"

#include <array>
#include "ops/dispatch.h"

#include "core/check.h"
#include "core/importance.h"
#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {
namespace {

void check_product(ConstMatrix x, const LinearProduct& product) {
  const auto& [weight, out] = product;
  check_stored("linears: weight", weight.values, 2);
  if (weight.scale) check_vector("linears: scale", weight.scale, 1);
  check_columns("linears: x", x.columns, weight.num_inputs());
  if (out.rows > 0) check_rows("linears: out", out.rows, x.rows);
  check_columns("linears: out", out.columns, weight.num_outputs());
}

// The work of the products that are computed.
Work work_of(const Context& context, const LinearsArguments& a) {
  const Weight absent;
  std::array<const Weight*, Rounding::kMaxProducts> weights = {&absent, &absent, &absent};
  int64_t num_outputs = 0;
  for (size_t i = 0; i < a.products.size(); ++i) {
    const auto& [weight, out] = a.products[i];
    if (!weight || out.rows == 0) continue;
    weights[i] = &weight;
    num_outputs += out.columns;
  }
  return product_work(context, a.x.values.rows, {weights[0], weights[1], weights[2]}, num_outputs);
}

}  // namespace

void linears(const Context& context, const LinearsArguments& a) {
  check(!a.products.empty() && a.products.size() <= Rounding::kMaxProducts && a.products[0].weight,
        "linears: expected 1 to ", Rounding::kMaxProducts, " products, and a weight of the first, got ",
        a.products.size());
  for (const LinearProduct& product : a.products) {
    if (!product.weight) continue;
    check_product(a.x.values, product);
    if (context.importance && product.out.rows > 0) {
      context.importance->add(product.weight.values.data, 0, 1, a.x.values, nullptr, a.x.values.rows);
    }
  }
  const ProfileSpan span(context, "linears", a.products[0].weight.values.data, [&] { return work_of(context, a); });
  dispatch<cpu::linears, cuda::linears>(context, a);
}

}  // namespace gesso::ops
