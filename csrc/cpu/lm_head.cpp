// The logits are computed in chunks of the vocabulary. Neighbouring rows of logits lie a megabyte apart. Stores that
// far from each other push each other out of the caches, so a product writes to a small chunk first.
#include "ops/lm_head.h"

#include <algorithm>

#include "core/buffer.h"
#include "core/threads/threads.h"
#include "cpu/vocabulary/row_progress.h"
#include "cpu/vocabulary/soft_cap.h"
#include "ops/linear.h"

namespace gesso::cpu {

void lm_head(const Context& context, const ops::LmHeadArguments& a) {
  const int64_t columns = std::min(kChunkTokens, a.logits.columns);
  const Buffer<float> memory(a.x.rows * columns);
  for (int64_t first = 0; first < a.logits.columns; first += columns) {
    const Matrix chunk(memory.data(), a.x.rows, std::min(columns, a.logits.columns - first), columns);
    linear(context, {.x = a.x, .weight = a.head.row_range(first, chunk.columns), .out = chunk});
    parallel_for(context, chunk.rows, kExpOperations * chunk.columns,
                 [&](int64_t r) { soft_cap(a.cap, chunk.row(r), chunk.columns, a.logits.row(r) + first); });
  }
}

}  // namespace gesso::cpu
