#include "ops/qk_norm_rope.h"

#include <cmath>

#include "core/thread_scratch.h"
#include "core/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

// head = rms(head, weight) over K values, read from `in`. In float32 from the same sum as rms_norm.
void normalise_head(const float* in, const float* weight, float eps, int64_t head_dim, float* out) {
  const float factor = 1.0f / std::sqrt(sum_of_squares(in, head_dim) / static_cast<float>(head_dim) + eps);
  scale_weighted(in, factor, weight, head_dim, out);
}

}  // namespace

void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, Staged<float> inv_freq, const ops::KeyValueLayout& layout,
                  Staged<ops::KeyValueRows> sequences) {
  const int64_t head_dim = layout.head_dim, half = head_dim / 2;
  const int64_t num_rotated = layout.num_rotated;  // the pairs behind them do not turn
  const int64_t operations = 8 * (q.columns + 2 * k.columns) + 2 * kExpOperations * num_rotated;
  for (const ops::KeyValueRows& sequence : sequences.host) {
    parallel_for(context, sequence.num_rows, operations, [&](int64_t index) {
      const int64_t row = sequence.first_row + index;
      float* cosines = thread_scratch(head_dim);
      float* sines = cosines + half;
      for (int64_t i = 0; i < num_rotated; ++i) {
        const float angle = static_cast<float>(sequence.first_position + index) * inv_freq.host[i];
        cosines[i] = std::cos(angle);
        sines[i] = std::sin(angle);
      }
      for (int64_t h = 0; q.rows > 0 && h < q.columns; h += head_dim) {
        normalise_head(q.row(row) + h, q_norm.f32(), eps, head_dim, q.row(row) + h);
        rotate(cosines, sines, num_rotated, q.row(row) + h, q.row(row) + h + half);
      }
      for (int64_t h = 0; h < k.columns; h += head_dim) {
        float* key = reinterpret_cast<float*>(sequence.keys) + index * k.columns + h;
        float* value = reinterpret_cast<float*>(sequence.values) + index * k.columns + h;
        normalise_head(k.row(row) + h, k_norm.f32(), eps, head_dim, key);
        rotate(cosines, sines, num_rotated, key, key + half);
        normalise_head(v.row(row) + h, nullptr, eps, head_dim, value);
      }
    });
  }
}

}  // namespace gesso::cpu
