// Root-mean-square normalisation and its residual form.
#pragma once

#include <span>

#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/op.h"

namespace gesso::ops {

// How many norms of the same rows one op makes.
constexpr int kMaxNormedRows = 3;

// rms(x, w) = x * (mean(x^2) + eps)^-1/2 * w. The weight w is used as it is stored: 1 is not added to it. An absent
// weight counts as ones.

// out = rms(x, weight) * scale.
struct RmsNormArguments {
  ConstMatrix x;         // [R, D]
  const Tensor& weight;  // F32 [D], or absent
  float eps;
  float scale = 1.0f;
  Matrix out;  // [R, D]; it may be x
  Rounding rounding = {};
};

// Rows that a layer makes of its residual stream: out = rms(residual, weight) * scale.
struct NormedRows {
  const Tensor& weight;  // F32 [D]
  float scale = 1.0f;
  Matrix out;  // [R, D]
  Rounding rounding = {};

  Activations activations() const { return {out, rounding}; }
  // As Activations::row_range: a part of the rows is not rounded.
  NormedRows row_range(int64_t first, int64_t count) const {
    return {weight, scale, out.row_range(first, count), count == out.rows ? rounding : Rounding()};
  }
};

// residual = (residual + rms(x, weight)) * scale. Then the rows of `next` are made of the new residual.
struct RmsNormAddArguments {
  ConstMatrix x;         // [R, D]
  const Tensor& weight;  // F32 [D]
  float eps;
  float scale = 1.0f;
  Matrix residual;                        // [R, D]
  std::span<const NormedRows> next = {};  // at most kMaxNormedRows
};

// Checks the `next` of an op.
void check_normed_rows(const char* op, ConstMatrix residual, std::span<const NormedRows> next);

}  // namespace gesso::ops

GESSO_OP(rms_norm, RmsNormArguments)
GESSO_OP(rms_norm_add, RmsNormAddArguments)
