#include "ops/token_stats.h"

#include <algorithm>

#include "core/threads/thread_scratch.h"
#include "core/threads/threads.h"
#include "cpu/vocabulary/row_progress.h"
#include "cpu/vocabulary/token_weights.h"
#include "cpu/vocabulary/top_tokens.h"

namespace gesso::cpu {

void token_stats(const Context& context, const ops::TokenStatsArguments& a) {
  parallel_for(context, a.logits.rows, 2 * kExpOperations * a.logits.columns, [&](int64_t r) {
    float *z = a.logits.row(r), *p = thread_scratch(kChunkTokens);
    RowProgress row;
    for (int64_t first = 0; first < a.logits.columns; first += kChunkTokens) {
      const int64_t count = std::min(kChunkTokens, a.logits.columns - first);
      divide(z + first, count, a.temperature);
      add_to_top(z + first, count, first, top_of_row(a.stats, r));
      add_chunk(z + first, count, first, &a.keys.host[r], p, row);
    }
    finish_row(row, r, a.stats);
  });
}

}  // namespace gesso::cpu
