#include "ops/head_stats.h"

#include "core/threads.h"
#include "ops/lm_head.h"

namespace gesso::cpu {

void head_stats(const Context& context, ConstMatrix x, const Weight& head, float cap, Staged<ops::HeadRow> rows,
                ops::TokenStats stats, Matrix z) {
  lm_head(context, x, head, cap, z);
  // Each row by itself: temperatures may differ.
  parallel_for(context, z.rows, 2 * kExpOperations * z.columns, [&](int64_t r) {
    const ops::HeadRow& row = rows.host[r];
    token_stats({}, z.row_range(r, 1), row.temperature, std::span(&row.key, 1),
                {stats.entropy.subspan(r, 1), stats.argmax.subspan(r, 1), stats.sampled.subspan(r, 1)});
  });
}

}  // namespace gesso::cpu
