#include "ops/token_stats.h"

#include <algorithm>

#include "core/thread_scratch.h"
#include "core/threads.h"
#include "cpu/vocabulary/row_progress.h"
#include "cpu/vocabulary/token_weights.h"

namespace gesso::cpu {

void token_stats(const Context& context, Matrix logits, float temperature, Staged<DrawKey> keys,
                 ops::TokenStats stats) {
  parallel_for(context, logits.rows, 2 * kExpOperations * logits.columns, [&](int64_t r) {
    float *z = logits.row(r), *p = thread_scratch(kChunkTokens);
    RowProgress row;
    for (int64_t first = 0; first < logits.columns; first += kChunkTokens) {
      const int64_t count = std::min(kChunkTokens, logits.columns - first);
      divide(z + first, count, temperature);
      add_chunk(z + first, count, first, &keys.host[r], p, row);
    }
    finish_row(row, r, stats);
  });
}

}  // namespace gesso::cpu
