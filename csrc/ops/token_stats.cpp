#include "ops/token_stats.h"

#include <cmath>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void check_temperature(const char* op, float temperature) {
  check(temperature > 0 && std::isfinite(temperature), op, ": temperature must be positive and finite, got ",
        temperature);
}

void check_num_top(const char* op, size_t num_top) {
  check(num_top <= kMaxTopTokens, op, ": top: expected at most ", kMaxTopTokens, " tokens of a row, got ", num_top);
}

void check_stats(const char* op, const char* what, size_t num_what, const TokenStats& stats, size_t num_rows) {
  check(num_what == num_rows && stats.entropy.size() == num_rows && stats.argmax.size() == num_rows &&
            stats.sampled.size() == num_rows,
        op, ": ", what, " and stats must have ", num_rows, " rows");
  check(stats.log_sum.empty() || stats.log_sum.size() == num_rows, op, ": log_sum: expected ", num_rows,
        " values or none, got ", stats.log_sum.size());
  const size_t num_sums = stats.log_sum.size();
  check(stats.top.empty() || (num_sums > 0 && stats.top.size() % num_sums == 0), op, ": top: got ", stats.top.size(),
        " tokens for ", num_sums, " rows of log_sum");
  check_num_top(op, stats.num_top());
}

void token_stats(const Context& context, const TokenStatsArguments& a) {
  check_temperature("token_stats", a.temperature);
  check_stats("token_stats", "keys", a.keys.host.size(), a.stats, a.logits.rows);
  const ProfileSpan span(context, "token_stats", nullptr,
                         [&] { return rows_work(a.logits.rows, 2 * a.logits.columns); });
  dispatch<cpu::token_stats, cuda::token_stats>(context, a);
}

}  // namespace gesso::ops
