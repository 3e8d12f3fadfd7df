// The end of a layer: joins the dense MLP and the experts, and adds both to the residual stream.
#pragma once

#include <span>

#include "core/tensor.h"
#include "ops/op.h"
#include "ops/rms_norm.h"
#include "ops/route.h"

namespace gesso::ops {

// y[t]     = sum_a weights[t, a] * experts[slot_of_pair[t, a]], added with rising a
// sum      = rms(mlp, mlp_norm) + rms(y, experts_norm)
// residual = (residual + rms(sum, sum_norm)) * (canvas_scale in the first num_canvas_rows rows, text_scale in others)
// Then the rows of `next` are made of the new residual.
struct FeedForwardAddArguments {
  Matrix mlp;           // [R, D]; the op leaves `sum` there
  ConstMatrix experts;  // [R * A, D] by slot
  const Routing& routing;
  const Tensor& mlp_norm;  // F32 [D], as the other norms
  const Tensor& experts_norm;
  const Tensor& sum_norm;
  float eps;
  float canvas_scale;
  float text_scale;
  int64_t num_canvas_rows;
  Matrix scratch;                         // [R, D]; the op leaves y there
  Matrix residual;                        // [R, D]
  std::span<const NormedRows> next = {};  // at most kMaxNormedRows
};

}  // namespace gesso::ops

GESSO_OP(feed_forward_add, FeedForwardAddArguments)
