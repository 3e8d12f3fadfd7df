// A block normalises one row, a thread four columns at a time. With the rows of one canvas the kernels are bound by
// latency, with more rows by bytes. A row is read from memory once; its second read hits the L1 cache.
#include "ops/rms_norm.h"

#include <cmath>

#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// (mean(x[row]^2) + eps)^-1/2. All threads of the block call it. `scratch` is kReduceScratch floats of shared memory.
__device__ float inverse_rms(const QuadRows<const float>& x, int64_t row, float eps, float* scratch) {
  float sum = 0;
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    const Quad values = x.load(row, column);
#pragma unroll
    for (float value : values.v) sum += value * value;
  }
  return 1.0f / sqrtf(block_sum(sum, scratch) / static_cast<float>(x.columns) + eps);
}

// Where the weight is absent, all weights are 1.
__device__ Quad load_weight(const QuadRows<const float>& weight, int64_t column) {
  return weight.data ? weight.load(0, column) : Quad{{1, 1, 1, 1}};
}

// x, out [R, D], weight [D].   grid R, shared kReduceScratch floats. A thread writes the columns that it has read, so
// `out` may be `x`.
// ptxas: <= 48 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads) rms_norm_kernel(QuadRows<const float> x, QuadRows<const float> weight,
                                                                  float eps, float scale, QuadRows<float> out) {
  const int64_t row = blockIdx.x;
  const float factor = inverse_rms(x, row, eps, shared_memory<float>());
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    const Quad values = x.load(row, column), weights = load_weight(weight, column);
    Quad result;
#pragma unroll
    for (int i = 0; i < 4; ++i) result.v[i] = values.v[i] * factor * weights.v[i] * scale;
    out.store(row, column, result);
  }
}

// x, residual [R, D], weight [D].   grid R, shared kReduceScratch floats.
// ptxas: <= 48 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads)
    rms_norm_add_kernel(QuadRows<const float> x, QuadRows<const float> weight, float eps, float scale,
                        QuadRows<float> residual) {
  const int64_t row = blockIdx.x;
  const float factor = inverse_rms(x, row, eps, shared_memory<float>());
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    const Quad values = x.load(row, column), weights = load_weight(weight, column);
    Quad sum = residual.load(row, column);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.v[i] = (sum.v[i] + values.v[i] * factor * weights.v[i]) * scale;
    residual.store(row, column, sum);
  }
}

Launch launch_rows(const Context& context, ConstMatrix x) {
  return {dim3(static_cast<unsigned>(x.rows)), row_threads(x.columns), kReduceScratch * sizeof(float),
          context.queue->stream()};
}

QuadRows<const float> as_row(const Tensor& weight, int64_t columns) {
  return QuadRows(ConstMatrix(weight.f32(), 1, columns));
}

}  // namespace

void rms_norm(const Context& context, const ops::RmsNormArguments& a) {
  launch("rms_norm", launch_rows(context, a.x), rms_norm_kernel, QuadRows(a.x), as_row(a.weight, a.x.columns), a.eps,
         a.scale, QuadRows(a.out));
}

void rms_norm_add(const Context& context, const ops::RmsNormAddArguments& a) {
  launch("rms_norm_add", launch_rows(context, a.x), rms_norm_add_kernel, QuadRows(a.x), as_row(a.weight, a.x.columns),
         a.eps, a.scale, QuadRows(a.residual));
}

}  // namespace gesso::cuda
