#include "ops/attention.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void attention(const Context& context, const AttentionArguments& a) {
  const int64_t num_key_value_heads = a.layout.num_key_value_heads, head_dim = a.layout.head_dim;
  check(num_key_value_heads > 0 && head_dim > 0 && a.q.columns % (num_key_value_heads * head_dim) == 0,
        "attention: q has ", a.q.columns, " columns, no multiple of ", num_key_value_heads, " kv heads * head_dim ",
        head_dim);
  check_rows("attention: out", a.out.rows, a.q.rows);
  check_columns("attention: out", a.out.columns, a.q.columns);
  for (const AttentionSequence& s : a.sequences.host) {
    check(s.first_row >= 0 && s.first_row + s.num_rows <= a.q.rows, "attention: sequence rows ", s.first_row, " + ",
          s.num_rows, " outside the ", a.q.rows, " rows given");
    const bool has_own = a.mode == AttentionMode::kCanvas;
    const int64_t needed = has_own ? s.first_position : s.first_position + s.num_rows;
    check(has_own == (s.own_keys != nullptr) && s.cached_end >= needed,
          "attention: expected cached keys up to position ", needed, has_own ? " and own keys" : " and no own keys",
          ", got ", s.cached_end, s.own_keys ? " and own keys" : " and no own keys");
  }
  const ProfileSpan span(context, a.window > 0 ? "attention sliding" : "attention full", nullptr,
                         [&] { return attention_work(a); });
  dispatch<cpu::attention, cuda::attention>(context, a);
}

}  // namespace gesso::ops
