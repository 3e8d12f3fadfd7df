// Adds the sums of the splits, in their order. Bytes bound the speed; as a rule they are in the L2 cache.
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/gelu.h"
#include "cuda/gemm/gemm_code.h"

namespace gesso::cuda {
namespace {

constexpr int kFinishThreads = 256;

// Adds up the partial sums of one column.
__device__ inline float sum_of_splits(const GemmArguments& arguments, int64_t row, int64_t column) {
  const int64_t columns = arguments.partial_columns();
  const float* partial = arguments.partials + row * columns + column;
  float sum = 0;
  for (int split = 0; split < arguments.num_splits; ++split) sum += partial[split * arguments.num_rows * columns];
  return sum;
}

// Each thread makes one output.   partials [num_splits, R, N or 2N], out [R, N], grid R * N / 256.
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kFinishThreads) gemm_partials_kernel(GemmArguments arguments) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kFinishThreads + threadIdx.x;
  const int64_t row = index / arguments.num_outputs, n = index % arguments.num_outputs;
  if (row >= arguments.num_rows) return;
  float result = sum_of_splits(arguments, row, n);
  if (arguments.is_gated) result = gelu_tanh(result) * sum_of_splits(arguments, row, arguments.num_outputs + n);
  arguments.out[row * arguments.out_stride + n] = result;
}

}  // namespace

void finish_partials(const GemmLaunch& gemm) {
  const int64_t outputs = static_cast<int64_t>(gemm.arguments.num_rows) * gemm.arguments.num_outputs;
  const auto blocks = static_cast<unsigned>((outputs + kFinishThreads - 1) / kFinishThreads);
  launch(gemm.name, {dim3(blocks), kFinishThreads, 0, gemm.queue.stream()}, gemm_partials_kernel, gemm.arguments);
}

}  // namespace gesso::cuda
