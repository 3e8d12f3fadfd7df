// A block writes 1024 columns of one token's row. Each thread decodes stored blocks into shared memory with the CPU's
// code. Then all threads write the row, neighbouring columns side by side. The kernel is bound by latency: a row is
// some kilobytes, and a step reads few rows. One kernel decodes every type. A decoder's products are exact, so it does
// not matter whether the compiler fuses them with additions: the bits are the CPU's.
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

// values[i] = element first + i of the row, 0 <= i < count. Both `first` and `count` are multiples of a block's
// elements.
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
  wait_for_earlier_kernels();
  float* values = shared_memory<float>();
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kColumns, left = num_columns - first;
  const int count = left < kColumns ? static_cast<int>(left) : kColumns;
  decode_columns(dtype, table + ids[blockIdx.x] * row_bytes, first, count, values);
  sync_block();
  float* row = out + blockIdx.x * stride + first;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) row[i] = values[i] * scale;
}

}  // namespace

void embed(const Context& context, const ops::EmbedArguments& a) {
  const auto num_parts = static_cast<unsigned>((a.out.columns + kColumns - 1) / kColumns);
  launch(
      "embed",
      {dim3(static_cast<unsigned>(a.out.rows), num_parts), kThreads, kColumns * sizeof(float), context.queue->stream()},
      embed_kernel, a.table.data, a.table.dtype, a.table.row_bytes(), a.ids.device, a.scale, a.out.columns,
      a.out.stride, a.out.data);
}

}  // namespace gesso::cuda
