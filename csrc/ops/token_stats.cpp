#include "ops/token_stats.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void token_stats(const Context& context, Matrix logits, float temperature, Staged<DrawKey> keys, TokenStats stats) {
  const size_t rows = logits.rows;
  check(temperature > 0, "token_stats: temperature must be positive, got ", temperature);
  check(keys.host.size() == rows && stats.entropy.size() == rows && stats.argmax.size() == rows &&
            stats.sampled.size() == rows,
        "token_stats: keys and stats must have ", rows, " rows");
  const ProfileSpan span(context, "token_stats", nullptr,
                         [&](const Profile&) { return rows_work(logits.rows, 2 * logits.columns); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::token_stats(context, logits, temperature, keys, stats);
  }
  return cpu::token_stats(context, logits, temperature, keys, stats);
}

}  // namespace gesso::ops
