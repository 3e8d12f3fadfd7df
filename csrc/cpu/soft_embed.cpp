#include "ops/soft_embed.h"

#include <algorithm>
#include <cmath>

#include "core/buffer.h"
#include "core/threads.h"
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
  thread_local Buffer<double> sums;  // 262144 terms: float32 would lose four digits
  if (tile.size() < kTableTile * columns) tile = Buffer<float>(kTableTile * columns);
  if (maxima.size() < logits.rows) maxima = Buffer<float>(logits.rows), sums = Buffer<double>(logits.rows);
  float *decoded = tile.data(), *row_max = maxima.data();
  double* row_sum = sums.data();

  parallel_for(context, logits.rows, vocab_size, [&](int64_t r) {
    row_max[r] = *std::max_element(logits.row(r), logits.row(r) + vocab_size);
    row_sum[r] = 0;
    std::fill_n(out.row(r), columns, 0.0f);
  });
  for (int64_t first = 0; first < vocab_size; first += kTableTile) {
    const int64_t count = std::min(kTableTile, vocab_size - first);
    parallel_for(context, count, 2 * columns,
                 [&](int64_t i) { decode(table.row(first + i), columns, decoded + i * columns); });
    parallel_for(context, logits.rows, count * (2 * columns + kExpOperations), [&](int64_t r) {
      for (int64_t i = 0; i < count; ++i) {
        const float weight = std::exp(logits.row(r)[first + i] - row_max[r]);
        if (weight == 0.0f) continue;  // underflow or a logit of -inf
        row_sum[r] += weight;
        axpy(weight, decoded + i * columns, out.row(r), columns);
      }
    });
  }
  parallel_for(context, logits.rows, columns,
               [&](int64_t r) { cpu::scale(static_cast<float>(scale / row_sum[r]), out.row(r), columns); });
}

}  // namespace gesso::cpu
