#include "ops/qk_norm_rope.h"

#include <cmath>

#include "core/threads/thread_scratch.h"
#include "core/threads/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

// head = rms(in, weight) over K values. The sum is the same float32 sum as in rms_norm.
void normalise_head(const float* in, const float* weight, float eps, int64_t head_dim, float* out) {
  const float factor = 1.0f / std::sqrt(sum_of_squares(in, head_dim) / static_cast<float>(head_dim) + eps);
  scale_weighted(in, factor, weight, head_dim, out);
}

}  // namespace

void qk_norm_rope(const Context& context, const ops::QkNormRopeArguments& a) {
  const int64_t head_dim = a.layout.head_dim, half = head_dim / 2;
  const int64_t num_rotated = a.layout.num_rotated;  // the other pairs do not turn
  const int64_t operations = 8 * (a.q.columns + 2 * a.k.columns) + 2 * kExpOperations * num_rotated;
  for (const ops::KeyValueRows& sequence : a.sequences.host) {
    parallel_for(context, sequence.num_rows, operations, [&](int64_t index) {
      const int64_t row = sequence.first_row + index;
      float* cosines = thread_scratch(head_dim);
      float* sines = cosines + half;
      for (int64_t i = 0; i < num_rotated; ++i) {
        const float angle = static_cast<float>(sequence.first_position + index) * a.inv_freq.host[i];
        cosines[i] = std::cos(angle);
        sines[i] = std::sin(angle);
      }
      for (int64_t h = 0; a.q.rows > 0 && h < a.q.columns; h += head_dim) {
        normalise_head(a.q.row(row) + h, a.q_norm.f32(), a.eps, head_dim, a.q.row(row) + h);
        rotate(cosines, sines, num_rotated, a.q.row(row) + h, a.q.row(row) + h + half);
      }
      for (int64_t h = 0; h < a.k.columns; h += head_dim) {
        float* key = reinterpret_cast<float*>(sequence.keys) + index * a.k.columns + h;
        float* value = reinterpret_cast<float*>(sequence.values) + index * a.k.columns + h;
        normalise_head(a.k.row(row) + h, a.k_norm.f32(), a.eps, head_dim, key);
        rotate(cosines, sines, num_rotated, key, key + half);
        normalise_head(a.v.row(row) + h, nullptr, a.eps, head_dim, value);
      }
    });
  }
}

}  // namespace gesso::cpu
