#include "ops/qk_norm_rope.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void qk_norm_rope(const Context& context, const QkNormRopeArguments& a) {
  const int64_t head_dim = a.layout.head_dim;
  check(head_dim > 0 && a.inv_freq.size() == head_dim / 2, "qk_norm_rope: expected ", head_dim / 2,
        " frequencies, got ", a.inv_freq.size());
  check_vector("qk_norm_rope: k_norm", a.k_norm, head_dim);
  check(a.k.columns == a.layout.num_key_value_heads * head_dim, "qk_norm_rope: k has ", a.k.columns,
        " columns, expected ", a.layout.num_key_value_heads, " heads of ", head_dim);
  check_rows("qk_norm_rope: v", a.v.rows, a.k.rows);
  check_columns("qk_norm_rope: v", a.v.columns, a.k.columns);
  if (a.q.rows > 0) {
    check_vector("qk_norm_rope: q_norm", a.q_norm, head_dim);
    check_rows("qk_norm_rope: q", a.q.rows, a.k.rows);
    check(a.q.columns % head_dim == 0, "qk_norm_rope: q has ", a.q.columns, " columns, no multiple of head_dim ",
          head_dim);
  }
  for (const KeyValueRows& sequence : a.sequences.host) {
    check(sequence.first_row >= 0 && sequence.first_row + sequence.num_rows <= a.k.rows, "qk_norm_rope: sequence rows ",
          sequence.first_row, " + ", sequence.num_rows, " outside the ", a.k.rows, " rows given");
  }
  const ProfileSpan span(context, "qk_norm_rope", nullptr, [&] { return new_keys_work(a.q, a.k, a.layout); });
  dispatch<cpu::qk_norm_rope, cuda::qk_norm_rope>(context, a);
}

}  // namespace gesso::ops
