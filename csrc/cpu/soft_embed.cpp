#include "ops/soft_embed.h"

#include <algorithm>

#include "core/threads/threads.h"
#include "cpu/vocabulary/soft_sums.h"

namespace gesso::cpu {

void soft_embed(const Context& context, const ops::SoftEmbedArguments& a) {
  for (int64_t band = 0; band < a.logits.rows; band += kBandRows) {
    const int64_t num_rows = std::min(kBandRows, a.logits.rows - band);
    SoftSums soft(context, a.table, num_rows, a.left_out_share);
    for (int64_t first = 0; first < a.logits.columns; first += kChunkTokens) {
      const int64_t count = std::min(kChunkTokens, a.logits.columns - first);
      parallel_for(context, num_rows, 2 * kExpOperations * count,
                   [&](int64_t r) { soft.take(r, a.logits.row(band + r) + first, count, first, nullptr); });
      soft.make_room();
    }
    soft.finish(a.scale, a.out.row_range(band, num_rows));
  }
}

}  // namespace gesso::cpu
