// Stored matrices, and the scale that some quantisers store beside a matrix.
#pragma once

#include "core/tensor.h"

namespace gesso {

// values: [N, K], or [E, N, K] for experts; any computable type. scale: GGUF's `<tensor>.scale`, a factor on the
// product with `values`. It is absent, F32 [1], or F32 [E] with a factor for each expert.
struct Weight {
  Tensor values;
  Tensor scale;

  explicit operator bool() const { return static_cast<bool>(values); }
  int64_t num_outputs() const { return values.shape[values.shape.rank - 2]; }
  int64_t num_inputs() const { return values.shape.last(); }
  // The outputs first .. first + count - 1 of a plain matrix.
  Weight row_range(int64_t first, int64_t count) const {
    Weight rows = *this;
    rows.values.data = values.row(first);
    rows.values.shape = {count, num_inputs()};
    return rows;
  }
  // The scale of one expert (0 for a plain matrix).
  float scale_of(int64_t expert) const {
    if (!scale) return 1.0f;
    return scale.f32()[scale.shape.num_elements() == 1 ? 0 : expert];
  }
};

// The two matrices of a gated product: either gate_up [.., 2N, K], whose first N rows are the gate's, or gate and up,
// [.., N, K] each.
struct GatedWeights {
  Weight gate_up;
  Weight gate, up;

  explicit operator bool() const { return gate_up || gate; }
  int64_t num_outputs() const { return gate_up ? gate_up.num_outputs() / 2 : gate.num_outputs(); }
};

}  // namespace gesso
