// Chunk by chunk, since rows of logits lie a megabyte apart: stores that far from each other push each other out of the
// caches while a product is under way.
#include "ops/lm_head.h"

#include <algorithm>

#include "core/buffer.h"
#include "core/threads.h"
#include "cpu/simd/vector_math.h"
#include "cpu/vocabulary/row_progress.h"
#include "ops/linear.h"

namespace gesso::cpu {

void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits) {
  const int64_t columns = std::min(kChunkTokens, logits.columns);
  const Buffer<float> memory(x.rows * columns);
  for (int64_t first = 0; first < logits.columns; first += columns) {
    const Matrix chunk(memory.data(), x.rows, std::min(columns, logits.columns - first), columns);
    linear(context, x, head.row_range(first, chunk.columns), chunk);
    parallel_for(context, chunk.rows, kExpOperations * chunk.columns,
                 [&](int64_t r) { soft_cap(cap, chunk.row(r), chunk.columns, logits.row(r) + first); });
  }
}

}  // namespace gesso::cpu
