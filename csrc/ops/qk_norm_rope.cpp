#include "ops/qk_norm_rope.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void qk_norm_rope(const Context& context, Matrix q, ConstMatrix k, ConstMatrix v, const Tensor& q_norm,
                  const Tensor& k_norm, float eps, Staged<float> inv_freq, const KeyValueLayout& layout,
                  Staged<KeyValueRows> sequences) {
  const int64_t head_dim = layout.head_dim;
  check(head_dim > 0 && inv_freq.size() == head_dim / 2, "qk_norm_rope: expected ", head_dim / 2, " frequencies, got ",
        inv_freq.size());
  check_vector("qk_norm_rope: k_norm", k_norm, head_dim);
  check(k.columns == layout.num_key_value_heads * head_dim, "qk_norm_rope: k has ", k.columns, " columns, expected ",
        layout.num_key_value_heads, " heads of ", head_dim);
  check_rows("qk_norm_rope: v", v.rows, k.rows);
  check_columns("qk_norm_rope: v", v.columns, k.columns);
  if (q.rows > 0) {
    check_vector("qk_norm_rope: q_norm", q_norm, head_dim);
    check_rows("qk_norm_rope: q", q.rows, k.rows);
    check(q.columns % head_dim == 0, "qk_norm_rope: q has ", q.columns, " columns, no multiple of head_dim ", head_dim);
  }
  for (const KeyValueRows& sequence : sequences.host) {
    check(sequence.first_row >= 0 && sequence.first_row + sequence.num_rows <= k.rows, "qk_norm_rope: sequence rows ",
          sequence.first_row, " + ", sequence.num_rows, " outside the ", k.rows, " rows given");
  }
  const ProfileSpan span(context, "qk_norm_rope", nullptr, [&](const Profile&) { return new_keys_work(q, k, layout); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::qk_norm_rope(context, q, k, v, q_norm, k_norm, eps, inv_freq, layout, sequences);
  }
  return cpu::qk_norm_rope(context, q, k, v, q_norm, k_norm, eps, inv_freq, layout, sequences);
}

}  // namespace gesso::ops
