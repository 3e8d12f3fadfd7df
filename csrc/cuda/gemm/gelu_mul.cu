// One thread per output. Bytes bound the speed.
#include "cuda/gemm/gelu_mul.h"

#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/gelu.h"

namespace gesso::cuda {
namespace {

constexpr int kGeluThreads = 256;

// Each thread makes one element.   up [R, N], out [R, N], of any strides, grid R * N / 256.
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kGeluThreads) gelu_mul_kernel(ConstMatrix up, Matrix out) {
  wait_for_earlier_kernels();
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kGeluThreads + threadIdx.x;
  const int64_t row = index / out.columns, column = index % out.columns;
  if (row >= out.rows) return;
  float& element = out.data[row * out.stride + column];
  element = gelu_tanh(element) * up.data[row * up.stride + column];
}

}  // namespace

void gelu_mul(const Queue& queue, ConstMatrix up, Matrix out) {
  const auto blocks = static_cast<unsigned>((out.rows * out.columns + kGeluThreads - 1) / kGeluThreads);
  launch("gelu_mul", {dim3(blocks), kGeluThreads, 0, queue.stream()}, gelu_mul_kernel, up, out);
}

}  // namespace gesso::cuda
