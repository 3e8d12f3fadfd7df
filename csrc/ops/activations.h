// The rows that products with weights read.
#pragma once

#include <array>
#include <initializer_list>

#include "core/dtype.h"
#include "core/tensor.h"
#include "ops/weight.h"

namespace gesso::ops {

// What decides how a device rounds the rows that it multiplies with a weight.
struct WeightKind {
  DType dtype = DType::kF32;
  bool has_experts = false;  // each expert has a matrix of its own

  friend bool operator==(const WeightKind&, const WeightKind&) = default;
};
inline WeightKind kind_of(const Weight& weight) { return {weight.values.dtype, weight.values.shape.rank == 3}; }

// Products on a device round their rows. An op that makes rows, such as a norm, can round them at once, for up to three
// products. Then nobody stores the rows as float32 and reads them again, and three products share one rounding. The
// CPU's products round float32 rows themselves, so there a Rounding says nothing.
struct Rounding {
  // A device has room for the rounded rows of this many matrices. They are valid until other rows take their slot.
  static constexpr int kNumSlots = 4;
  static constexpr int kMaxProducts = 3;

  int slot = -1;                                      // -1: the rows are not rounded beforehand
  std::array<WeightKind, kMaxProducts> weights = {};  // those that the rows are multiplied with
  int num_weights = 0;

  Rounding() = default;
  // Absent weights count nothing. At least one is there.
  Rounding(int slot, std::initializer_list<const Weight*> products) : slot(slot) {
    for (const Weight* weight : products) {
      if (*weight) weights[num_weights++] = kind_of(*weight);
    }
  }
};

// Rows of float32, and where a device has them rounded. If all products of the rows round alike, the op that made the
// rows may have left out the float32 values.
struct Activations {
  ConstMatrix values;  // [R, K]
  Rounding rounding;

  Activations(ConstMatrix values, const Rounding& rounding = {}) : values(values), rounding(rounding) {}
  Activations(Matrix values, const Rounding& rounding = {}) : values(values), rounding(rounding) {}
  // Rounded rows are there as a whole. A part of the rows has its float32 values only, which the CPU always has.
  Activations row_range(int64_t first, int64_t count) const {
    if (count == values.rows) return *this;
    return values.row_range(first, count);
  }
};

}  // namespace gesso::ops
