#include "ops/attention.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void attention(const Context& context, ConstMatrix q, const KeyValueLayout& layout, AttentionMode mode, int64_t window,
               Staged<AttentionSequence> sequences, Matrix out) {
  const int64_t num_key_value_heads = layout.num_key_value_heads, head_dim = layout.head_dim;
  check(num_key_value_heads > 0 && head_dim > 0 && q.columns % (num_key_value_heads * head_dim) == 0,
        "attention: q has ", q.columns, " columns, no multiple of ", num_key_value_heads, " kv heads * head_dim ",
        head_dim);
  check_rows("attention: out", out.rows, q.rows);
  check_columns("attention: out", out.columns, q.columns);
  for (const AttentionSequence& s : sequences.host) {
    check(s.first_row >= 0 && s.first_row + s.num_rows <= q.rows, "attention: sequence rows ", s.first_row, " + ",
          s.num_rows, " outside the ", q.rows, " rows given");
    const bool has_own = mode == AttentionMode::kCanvas;
    const int64_t needed = has_own ? s.first_position : s.first_position + s.num_rows;
    check(has_own == (s.own_keys != nullptr) && s.cached_end >= needed,
          "attention: expected cached keys up to position ", needed, has_own ? " and own keys" : " and no own keys",
          ", got ", s.cached_end, s.own_keys ? " and own keys" : " and no own keys");
  }
  const ProfileSpan span(context, window > 0 ? "attention sliding" : "attention full", nullptr,
                         [&](const Profile&) { return attention_work(q, layout, mode, window, sequences); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::attention(context, q, layout, mode, window, sequences, out);
  }
  return cpu::attention(context, q, layout, mode, window, sequences, out);
}

}  // namespace gesso::ops
