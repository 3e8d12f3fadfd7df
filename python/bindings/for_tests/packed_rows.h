// Rows of half precision, as a GPU packs them for products with experts.
#pragma once

#include <vector>

#include "for_tests.h"
#include "ops/activations.h"

namespace gesso::bindings {

// The rows in the slot of a rounding, or those that products with a weight would read. An ArgumentError where the
// device rounds them to something else.
class HalfRows {
 public:
  HalfRows(Call& call, const ops::Activations& x, const ops::WeightKind& weight);
  // Once the call has finished: the values of each row in their order, 64 for each step, and behind them its scale.
  NumpyRows<float> finish() const;

 private:
  int64_t rows_, columns_;
  std::vector<uint16_t> values_;
  std::vector<float> scales_;
};

}  // namespace gesso::bindings
