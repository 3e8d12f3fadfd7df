#include "cpu/products/matmul_block.h"

#include <algorithm>

#include "core/threads/thread_scratch.h"
#include "cpu/simd/vector_math.h"
#include "quant/formats.h"

namespace gesso::cpu {
namespace {

// Multiplies four rows of x with all decoded weight rows. dot_tile always computes 4 x 2 results. Where fewer are
// needed, the last row or column is repeated and the additional results are dropped. So every result comes from the
// same code, whatever the number of rows.
void row_tile(ConstMatrix x, const int32_t* rows, int64_t first, int64_t num_rows, const float* decoded,
              int64_t num_outputs, float scale, Matrix out) {
  const float* x_rows[kTileRows];
  for (int r = 0; r < kTileRows; ++r) {
    const int64_t index = std::min(first + r, num_rows - 1);
    x_rows[r] = x.row(rows ? rows[index] : index);
  }
  for (int64_t n = 0; n < num_outputs; n += kTileColumns) {
    const float* w_rows[kTileColumns];
    for (int c = 0; c < kTileColumns; ++c) w_rows[c] = decoded + std::min(n + c, num_outputs - 1) * x.columns;
    float tile[kTileRows][kTileColumns];
    dot_tile(x_rows, w_rows, x.columns, tile);
    for (int r = 0; r < kTileRows && first + r < num_rows; ++r) {
      for (int c = 0; c < kTileColumns && n + c < num_outputs; ++c) out.row(first + r)[n + c] = tile[r][c] * scale;
    }
  }
}

}  // namespace

void matmul_block(ConstMatrix x, const int32_t* rows, int64_t num_rows, const Tensor& weight, float scale,
                  int64_t block, Matrix out) {
  const int64_t begin = block * kBlockOutputs;
  const int64_t count = std::min(kBlockOutputs, weight.num_rows() - begin);
  const int64_t columns = weight.num_columns();
  const float* decoded = reinterpret_cast<const float*>(weight.row(begin));
  if (weight.dtype != DType::kF32) {
    float* scratch = thread_scratch(kBlockOutputs * columns);
    const quant::DecodeRow decode = quant::find_decoder(weight.dtype);
    for (int64_t n = 0; n < count; ++n) decode(weight.row(begin + n), columns, scratch + n * columns);
    decoded = scratch;
  }
  const Matrix block_out = out.column_range(begin, count);
  for (int64_t first = 0; first < num_rows; first += kTileRows) {
    row_tile(x, rows, first, num_rows, decoded, count, scale, block_out);
  }
}

}  // namespace gesso::cpu
