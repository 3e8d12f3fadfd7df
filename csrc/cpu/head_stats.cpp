// The vocabulary is cut into chunks of a few thousand tokens, and each chunk takes three steps. The first computes the
// logits z = x . head^T. The second adds them to the statistics of their rows. The third computes their weights e^(z -
// m), with m the row's largest logit so far, and lists the tokens whose weights may count in the soft embedding.
#include "ops/head_stats.h"

#include <algorithm>

#include "core/threads/threads.h"
#include "cpu/vocabulary/soft_cap.h"
#include "cpu/vocabulary/soft_sums.h"
#include "cpu/vocabulary/token_weights.h"
#include "cpu/vocabulary/top_tokens.h"
#include "ops/linear.h"

namespace gesso::cpu {

void head_stats(const Context& context, const ops::HeadStatsArguments& a) {
  const int64_t vocab_size = a.head.num_outputs();
  for (int64_t band = 0; band < a.x.rows; band += kBandRows) {
    const int64_t num_rows = std::min(kBandRows, a.x.rows - band);
    SoftSums soft(context, a.table, num_rows, a.left_out_share);
    for (int64_t first = 0; first < vocab_size; first += kChunkTokens) {
      const Matrix chunk = soft.chunk(std::min(kChunkTokens, vocab_size - first));
      linear(context,
             {.x = a.x.row_range(band, num_rows), .weight = a.head.row_range(first, chunk.columns), .out = chunk});
      parallel_for(context, num_rows, 3 * kExpOperations * chunk.columns, [&](int64_t r) {
        const ops::HeadRow& row = a.rows.host[band + r];
        soft_cap(a.cap, chunk.row(r), chunk.columns, chunk.row(r));
        divide(chunk.row(r), chunk.columns, row.temperature);
        add_to_top(chunk.row(r), chunk.columns, first, top_of_row(a.stats, band + r));
        soft.take(r, chunk.row(r), chunk.columns, first, &row.key);
      });
      soft.make_room();
    }
    for (int64_t r = 0; r < num_rows; ++r) finish_row(soft.row(r), band + r, a.stats);
    soft.finish(a.embed_scale, a.soft_embedding.row_range(band, num_rows), a.stats.entropy.data() + band);
  }
}

}  // namespace gesso::cpu
