#include "ops/attention.h"

#include "ops/check.h"

namespace gesso::ops {

void attention(const Context& context, ConstMatrix q, int64_t num_key_value_heads, int64_t head_dim, AttentionMode mode,
               int64_t window, std::span<const AttentionSequence> sequences, Matrix out) {
  check(num_key_value_heads > 0 && head_dim > 0 && q.columns % (num_key_value_heads * head_dim) == 0,
        "attention: q has ", q.columns, " columns, no multiple of ", num_key_value_heads, " kv heads * head_dim ",
        head_dim);
  check_rows("attention: out", out.rows, q.rows);
  check_columns("attention: out", out.columns, q.columns);
  for (const AttentionSequence& s : sequences) {
    check(s.first_row >= 0 && s.first_row + s.num_rows <= q.rows, "attention: sequence rows ", s.first_row, " + ",
          s.num_rows, " outside the ", q.rows, " rows given");
    const bool has_own = mode == AttentionMode::kCanvas;
    const int64_t needed = has_own ? s.first_position : s.first_position + s.num_rows;
    check(has_own == (s.own_keys != nullptr) && s.cached_end >= needed,
          "attention: expected cached keys up to position ", needed, has_own ? " and own keys" : " and no own keys",
          ", got ", s.cached_end, s.own_keys ? " and own keys" : " and no own keys");
  }
  return cpu::attention(context, q, num_key_value_heads, head_dim, mode, window, sequences, out);
}

}  // namespace gesso::ops
