// residual += x. A block adds one row, a thread four columns at a time. The kernel is bound by bytes.
#include "ops/add.h"

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// x, residual [R, D].   grid R.
// ptxas: <= 48 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads) add_kernel(QuadRows<const float> x, QuadRows<float> residual) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    const Quad values = x.load(row, column);
    Quad sum = residual.load(row, column);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.v[i] += values.v[i];
    residual.store(row, column, sum);
  }
}

}  // namespace

void add(const Context& context, const ops::AddArguments& a) {
  launch("add", {dim3(static_cast<unsigned>(a.x.rows)), row_threads(a.x.columns), 0, context.queue->stream()},
         add_kernel, QuadRows(a.x), QuadRows(a.residual));
}

}  // namespace gesso::cuda
