#include "ops/token_stats.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void token_stats(const Context& context, const TokenStatsArguments& a) {
  const size_t rows = a.logits.rows;
  check(a.temperature > 0, "token_stats: temperature must be positive, got ", a.temperature);
  check(a.keys.host.size() == rows && a.stats.entropy.size() == rows && a.stats.argmax.size() == rows &&
            a.stats.sampled.size() == rows,
        "token_stats: keys and stats must have ", rows, " rows");
  const ProfileSpan span(context, "token_stats", nullptr,
                         [&] { return rows_work(a.logits.rows, 2 * a.logits.columns); });
  dispatch(context, a);
}

}  // namespace gesso::ops
