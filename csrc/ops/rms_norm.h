// Root-mean-square normalisation and its residual form.
#pragma once

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::ops {

// rms(x, w) = x * (mean(x^2) + eps)^-1/2 * w, w used as stored (no + 1); an absent weight counts as ones.

// out = rms(x, weight) * scale.   x, out [R, D] (may be the same), weight F32 [D] or absent.
void rms_norm(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix out);

// residual = (residual + rms(x, weight)) * scale.   x, residual [R, D], weight F32 [D].
void rms_norm_add(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix residual);

}  // namespace gesso::ops

namespace gesso::cpu {
void rms_norm(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix out);
void rms_norm_add(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix residual);
}  // namespace gesso::cpu
namespace gesso::cuda {
void rms_norm(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix out);
void rms_norm_add(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix residual);
}  // namespace gesso::cuda
