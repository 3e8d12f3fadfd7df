#include "ops/rms_norm.h"

#include <cmath>

#include "core/threads/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

float inverse_rms(const float* x, int64_t n, float eps) {
  return 1.0f / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + eps);
}

}  // namespace

void rms_norm(const Context& context, const ops::RmsNormArguments& a) {
  const float* weight = a.weight.f32();
  const float scale = a.scale;
  parallel_for(context, a.x.rows, 6 * a.x.columns, [&](int64_t r) {
    const float* in = a.x.row(r);
    float* result = a.out.row(r);
    const float factor = inverse_rms(in, a.x.columns, a.eps);
    for (int64_t i = 0; i < a.x.columns; ++i) {
      const float normed = in[i] * factor;
      result[i] = (weight ? normed * weight[i] : normed) * scale;
    }
  });
}

void rms_norm_add(const Context& context, const ops::RmsNormAddArguments& a) {
  const float* weight = a.weight.f32();
  const float scale = a.scale;
  parallel_for(context, a.x.rows, 6 * a.x.columns, [&](int64_t r) {
    const float* in = a.x.row(r);
    float* sum = a.residual.row(r);
    const float factor = inverse_rms(in, a.x.columns, a.eps);
    for (int64_t i = 0; i < a.x.columns; ++i) sum[i] = (sum[i] + in[i] * factor * weight[i]) * scale;
  });
  for (const ops::NormedRows& next : a.next) {
    cpu::rms_norm(context,
                  {.x = a.residual, .weight = next.weight, .eps = a.eps, .scale = next.scale, .out = next.out});
  }
}

}  // namespace gesso::cpu
