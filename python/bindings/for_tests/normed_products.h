// Products of rows that an op has rounded for them: tests see what was rounded only through them.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "for_tests.h"
#include "ops/rms_norm.h"
#include "ops/weight.h"
#include "packed_rows.h"

namespace gesso::bindings {

// For each norm its weight, its scale, and the weights that its rows are multiplied with.
using NormsOfTest = std::vector<std::tuple<Stored, float, std::vector<Stored>>>;

class NormedProducts {
 public:
  NormedProducts(Call& call, const NormsOfTest& norms, int64_t num_rows, int64_t num_columns);
  // What the op under test makes. The norms have the slots 0, 1 and 2.
  std::span<const ops::NormedRows> rows() const { return rows_; }
  // Multiplies the rows with their weights. To be called once, behind the op.
  void multiply(Call& call);
  // Once the call has finished: the products, in the order of the weights. For weights of experts there are no
  // products; behind all others stand the rows that were rounded for them.
  void append_to(std::vector<NumpyRows<float>>& results);

 private:
  std::deque<Tensor> norms_;
  std::deque<Output> normed_, products_;
  std::vector<HalfRows> half_rows_;
  std::vector<std::vector<Weight>> weights_;
  std::vector<ops::NormedRows> rows_;
};

// A weight behind an op, or none. The op under test rounds its result for the weight.
struct NextWeight {
  Weight weight;
  ops::Rounding rounding;

  NextWeight(Call& call, const std::optional<Stored>& stored) : weight{call.tensor(stored), {}} {
    if (weight) rounding = ops::Rounding(ops::Rounding::kNumSlots - 1, {&weight});
  }
  explicit operator bool() const { return static_cast<bool>(weight); }
  int64_t num_outputs() const { return weight ? weight.num_outputs() : 0; }
};

}  // namespace gesso::bindings
