// One block for each token and 1024 columns of its row: a thread decodes a stored block into shared memory, exactly as
// the CPU does, and then all write the row side by side. Bound by latency: a row is some kilobytes, and a step reads
// few. One kernel decodes every type. The products in a decoder are exact, so fused multiplication changes no bit.
#include "ops/embed.h"

#include "cuda/decode/visit_block.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kColumns = 1024;  // a multiple of every format's block

// values[i] = element first + i of the row, 0 <= i < count; both are multiples of the block's elements.
__device__ void decode_columns(DType dtype, const std::byte* row, int64_t first, int count, float* values) {
  visit_block(dtype, [&]<typename Block>(Block) {
    const Block* blocks = reinterpret_cast<const Block*>(row) + first / Block::kNumElements;
    for (int i = static_cast<int>(threadIdx.x); i < count / Block::kNumElements; i += kThreads) {
      decode_block(blocks[i], values + i * Block::kNumElements);
    }
  });
}

// table [V, D] as stored, ids [R], out [R, D] with rows `stride` apart.   grid (R, D / kColumns rounded up), shared
// kColumns floats.
// ptxas: <= 128 registers
__global__ void __launch_bounds__(kThreads)
    embed_kernel(const std::byte* table, DType dtype, int64_t row_bytes, const int32_t* ids, float scale,
                 int64_t num_columns, int64_t stride, float* out) {
  float* values = shared_memory<float>();
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kColumns, left = num_columns - first;
  const int count = left < kColumns ? static_cast<int>(left) : kColumns;
  decode_columns(dtype, table + ids[blockIdx.x] * row_bytes, first, count, values);
  sync_block();
  float* row = out + blockIdx.x * stride + first;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) row[i] = values[i] * scale;
}

}  // namespace

void embed(const Context& context, const Tensor& table, Staged<int32_t> ids, float scale, Matrix out) {
  const auto num_parts = static_cast<unsigned>((out.columns + kColumns - 1) / kColumns);
  launch(
      "embed",
      {dim3(static_cast<unsigned>(out.rows), num_parts), kThreads, kColumns * sizeof(float), context.queue->stream()},
      embed_kernel, table.data, table.dtype, table.row_bytes(), ids.device, scale, out.columns, out.stride, out.data);
}

}  // namespace gesso::cuda
