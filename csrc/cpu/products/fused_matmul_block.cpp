#include <algorithm>

#include "core/buffer.h"
#include "cpu/kernels/fused_kernels.h"
#include "cpu/products/matmul_block.h"
#include "cpu/simd/transpose.h"
#include "quant/formats.h"

namespace gesso::cpu {
namespace {

static_assert(kBlockOutputs == kFusedOutputs);

// How many columns are decoded at a time. 16 rows of them (16 KB of floats) stay in the L1 cache until they are
// transposed.
constexpr int64_t kChunk = 256;

void decode(const Tensor& weight, int64_t row, int64_t first, int64_t count, float* out) {
  const DTypeInfo& type = dtype_info(weight.dtype);
  const std::byte* stored =
      weight.row(std::min(row, weight.num_rows() - 1)) + first / type.block_elements * type.block_bytes;
  // The next chunk of this row is fetched now. The processor's own prefetching does not do it, since the loop reads a
  // few hundred bytes of each row in turn.
  const int64_t chunk_bytes = kChunk / type.block_elements * type.block_bytes;
  for (int64_t b = 0; b < chunk_bytes; b += 64) __builtin_prefetch(stored + chunk_bytes + b);
  quant::find_decoder(weight.dtype)(stored, count, out);
}

// Decodes 16 rows from `first_row` on. Where the weight has fewer, its last row is decoded in place of the missing
// ones.
FusedTile decode_tile(const Tensor& weight, int64_t first_row) {
  thread_local Buffer<float> values;
  alignas(64) float rows[kFusedOutputs][kChunk];
  const int64_t columns = weight.num_columns(), size = (columns + 3) / 4 * 4 * kFusedOutputs;
  if (values.size() < size) values = Buffer<float>(size);
  for (int64_t first = 0; first < columns; first += kChunk) {
    const int64_t count = std::min(kChunk, columns - first);
    for (int64_t n = 0; n < kFusedOutputs; ++n) decode(weight, first_row + n, first, count, rows[n]);
    for (int64_t k = 0; k < count; k += 4) {
      for (int64_t n = 0; n < kFusedOutputs; n += 4) {
        transpose_4_rows(&rows[n][k], kChunk, values.data() + (first + k) * kFusedOutputs + n, kFusedOutputs);
      }
    }
  }
  return {columns, std::min(kFusedOutputs, weight.num_rows() - first_row), values.data()};
}

void fused_matmul_block(ConstMatrix x, const int32_t* rows, int64_t num_rows, const Tensor& weight, float scale,
                        int64_t block, Matrix out) {
  if (num_rows == 0) return;
  const FusedTile tile = decode_tile(weight, block * kBlockOutputs);
  fused_multiply()(tile, x, rows, num_rows, scale, out.column_range(block * kBlockOutputs, tile.num_outputs));
}

}  // namespace

MatmulBlock matmul_block_for(const Context& context) {
  return context.activations == ActivationType::kInt8 && fused_multiply() ? fused_matmul_block : matmul_block;
}

}  // namespace gesso::cpu
