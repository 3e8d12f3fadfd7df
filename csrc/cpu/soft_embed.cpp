#include "ops/soft_embed.h"

#include <algorithm>
#include <cmath>

#include "core/buffer.h"
#include "core/threads.h"
#include "cpu/scratch.h"
#include "cpu/simd/vector_math.h"
#include "quant/formats.h"

namespace gesso::cpu {
namespace {

// Table rows decoded at a time, shared by all rows of logits: 64 x D floats stay in the L2 cache.
constexpr int64_t kTableTile = 64;

}  // namespace

void soft_embed(const Context& context, ConstMatrix logits, const Tensor& table, float scale, Matrix out) {
  const int64_t vocab_size = table.shape[0], columns = table.shape[1];
  const quant::DecodeRow decode = quant::find_decoder(table.dtype);
  // Kept between calls: nothing allocates while denoising.
  thread_local Buffer<float> tile, maxima;
  thread_local Buffer<double> sums, totals;  // 262144 terms: float32 would lose four digits
  if (tile.size() < kTableTile * columns) tile = Buffer<float>(kTableTile * columns);
  if (maxima.size() < logits.rows) maxima = Buffer<float>(logits.rows), sums = Buffer<double>(logits.rows);
  float *decoded = tile.data(), *row_max = maxima.data();
  if (totals.size() < logits.rows * columns) totals = Buffer<double>(logits.rows * columns);
  double *row_sum = sums.data(), *row_totals = totals.data();

  parallel_for(context, logits.rows, vocab_size, [&](int64_t r) {
    row_max[r] = *std::max_element(logits.row(r), logits.row(r) + vocab_size);
    row_sum[r] = 0;
    std::fill_n(row_totals + r * columns, columns, 0.0);
  });
  for (int64_t first = 0; first < vocab_size; first += kTableTile) {
    const int64_t count = std::min(kTableTile, vocab_size - first);
    parallel_for(context, count, 2 * columns,
                 [&](int64_t i) { decode(table.row(first + i), columns, decoded + i * columns); });
    parallel_for(context, logits.rows, count * (2 * columns + kExpOperations), [&](int64_t r) {
      float* partial = thread_scratch(columns);  // of this tile; one addition in double for 64 in float32
      std::fill_n(partial, columns, 0.0f);
      for (int64_t i = 0; i < count; ++i) {
        const float weight = std::exp(logits.row(r)[first + i] - row_max[r]);
        if (weight == 0.0f) continue;  // underflow or a logit of -inf
        row_sum[r] += weight;
        axpy(weight, decoded + i * columns, partial, columns);
      }
      double* total = row_totals + r * columns;
      for (int64_t c = 0; c < columns; ++c) total[c] += partial[c];
    });
  }
  parallel_for(context, logits.rows, 2 * columns, [&](int64_t r) {
    const double factor = scale / row_sum[r];
    for (int64_t c = 0; c < columns; ++c) out.row(r)[c] = static_cast<float>(row_totals[r * columns + c] * factor);
  });
}

}  // namespace gesso::cpu
