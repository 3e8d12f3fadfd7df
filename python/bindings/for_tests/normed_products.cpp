#include "normed_products.h"

#include "core/check.h"
#include "ops/linear.h"

namespace gesso::bindings {

NormedProducts::NormedProducts(Call& call, const NormsOfTest& norms, int64_t num_rows, int64_t num_columns) {
  for (const auto& [norm, scale, products] : norms) {
    check(!products.empty() && products.size() <= ops::Rounding::kMaxProducts, "expected 1 to 3 products of a norm");
    ops::Rounding rounding;
    rounding.slot = static_cast<int>(rows_.size());
    std::vector<Weight>& weights = weights_.emplace_back();
    for (const Stored& product : products) {
      weights.push_back({call.tensor(product), {}});
      rounding.weights[rounding.num_weights++] = ops::kind_of(weights.back());
    }
    const Tensor& weight = norms_.emplace_back(call.tensor(norm));
    const Matrix out = call.output(normed_.emplace_back(num_rows, num_columns));
    rows_.push_back({.weight = weight, .scale = scale, .out = out, .rounding = rounding});
  }
}

void NormedProducts::multiply(Call& call) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    for (const Weight& weight : weights_[i]) {
      if (ops::kind_of(weight).has_experts) {
        half_rows_.emplace_back(call, rows_[i].activations(), ops::kind_of(weight));
        continue;
      }
      Output& out = products_.emplace_back(rows_[i].out.rows, weight.num_outputs());
      ops::linear(call.context(), {.x = rows_[i].activations(), .weight = weight, .out = call.output(out)});
    }
  }
}

void NormedProducts::append_to(std::vector<NumpyRows<float>>& results) {
  for (Output& out : products_) results.push_back(out.finish());
  for (const HalfRows& rows : half_rows_) results.push_back(rows.finish());
}

}  // namespace gesso::bindings
