// The memory of the sums, and the last step, which makes soft embeddings of them.
#include "cuda/vocabulary/soft_embed_sums.h"

#include <algorithm>
#include <cmath>

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/vocabulary/soft_embed_product.h"

namespace gesso::cuda {
namespace {

constexpr int64_t kAlignment = 256;

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// out[r] = scale * sums[r] / weight_sum[r], summed over the pieces. One block per row; bound by bytes. The threads
// that find a number that is not finite all write the same NaN.   out [R, D], entropy [R] or null.   grid R.
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kMaxRowThreads)
    soft_embed_finish_kernel(SoftSums soft, float scale, QuadRows<float> out, float* entropy) {
  wait_for_earlier_kernels();
  const int64_t r = blockIdx.x;
  const float factor = scale / soft.rows[r].weight_sum;
  if (entropy && !(fabsf(factor) < INFINITY)) return;
  for (int64_t column = first_column(); column < out.columns; column += column_step()) {
    Quad total = {};
    const int tile = static_cast<int>(column / kSoftTileColumns), first_step = tile * soft.plan.num_steps;
    const int last_block = soft.plan.block_of(first_step + soft.plan.num_steps - 1);
#pragma unroll 2
    for (int block = soft.plan.block_of(first_step); block <= last_block; ++block) {
      const float* sums = soft.row_of_piece(SoftPlan::piece(block, tile), r) + column % kSoftTileColumns;
      const Quad part = *reinterpret_cast<const Quad*>(sums);
#pragma unroll
      for (int i = 0; i < 4; ++i) total.v[i] += part.v[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) total.v[i] *= factor;
    out.store(r, column, total);
    bool is_finite = true;
#pragma unroll
    for (int i = 0; i < 4; ++i) is_finite = is_finite && (column + i >= out.columns || fabsf(total.v[i]) < INFINITY);
    if (entropy && !is_finite) entropy[r] = NAN;
  }
}

}  // namespace

SoftSums make_soft_sums(Queue& queue, int64_t num_rows, const Tensor& table) {
  SoftSums soft;
  soft.num_rows = num_rows;
  soft.num_columns = table.num_columns();
  soft.chunk_tokens = chunk_tokens(table.num_rows());
  soft.plan =
      plan_soft(queue.properties(), table.dtype, soft.num_columns, std::min(soft.chunk_tokens, table.num_rows()));
  const int64_t weights_bytes = round_up(num_rows * soft.chunk_tokens * sizeof(uint16_t), kAlignment);
  const int64_t sums_bytes = soft.plan.num_pieces() * num_rows * kSoftTileColumns * sizeof(float);
  std::byte* memory =
      queue.scratch_bytes(Scratch::kSoftSums, weights_bytes + sums_bytes + num_rows * sizeof(RowProgress));
  soft.weights = reinterpret_cast<uint16_t*>(memory);
  soft.sums = reinterpret_cast<float*>(memory + weights_bytes);
  soft.rows = reinterpret_cast<RowProgress*>(memory + weights_bytes + sums_bytes);
  return soft;
}

void add_soft_chunk(Queue& queue, const SoftSums& soft, const Tensor& table, int64_t first) {
  const SoftTable rows = {table.dtype, reinterpret_cast<const uint8_t*>(table.row(first)), table.row_bytes(),
                          std::min(soft.chunk_tokens, table.num_rows() - first)};
  (soft.plan.is_wgmma ? launch_soft_wgmma : launch_soft_mma)(queue, soft, rows, first == 0);
}

void finish_soft_sums(Queue& queue, const SoftSums& soft, float scale, Matrix out, float* entropy) {
  launch("soft_embed", {dim3(static_cast<unsigned>(soft.num_rows)), row_threads(soft.num_columns), 0, queue.stream()},
         soft_embed_finish_kernel, soft, scale, QuadRows(out), entropy);
}

}  // namespace gesso::cuda
