#include "ops/rms_norm.h"

#include <cmath>

#include "core/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

float inverse_rms(const float* x, int64_t n, float eps) {
  return 1.0f / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + eps);
}

}  // namespace

void rms_norm(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix out) {
  parallel_for(context, x.rows, 6 * x.columns, [&](int64_t r) {
    const float* in = x.row(r);
    float* result = out.row(r);
    const float factor = inverse_rms(in, x.columns, eps);
    for (int64_t i = 0; i < x.columns; ++i) {
      const float normed = in[i] * factor;
      result[i] = (weight ? normed * weight.f32()[i] : normed) * scale;
    }
  });
}

void rms_norm_add(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale,
                  Matrix residual) {
  parallel_for(context, x.rows, 6 * x.columns, [&](int64_t r) {
    const float* in = x.row(r);
    float* sum = residual.row(r);
    const float factor = inverse_rms(in, x.columns, eps);
    for (int64_t i = 0; i < x.columns; ++i) sum[i] = (sum[i] + in[i] * factor * weight.f32()[i]) * scale;
  });
}

}  // namespace gesso::cpu
