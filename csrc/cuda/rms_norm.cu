// A block normalises one row, a thread four columns at a time. With the rows of one canvas the kernels are bound by
// latency, with more rows by bytes. A row is read from memory once; later reads hit the L1 cache.
#include "ops/rms_norm.h"

#include <cmath>

#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/pack/norm_target.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// (mean(x^2) + eps)^-1/2 of a row in memory. All threads of the block call it.
__device__ float inverse_rms_of(const QuadRows<const float>& x, int64_t row, float eps, float* scratch) {
  float sum = 0;
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    add_squares(x.load(row, column), sum);
  }
  return inverse_rms(sum, x.columns, eps, scratch);
}

// x [R, D], out [R, D], weight [D].   grid R, shared kReduceScratch floats. A thread writes the columns that it has
// read, so `out` may be `x`.
// ptxas: <= 64 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads) rms_norm_kernel(QuadRows<const float> x, float eps, NormTarget out) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  float* scratch = shared_memory<float>();
  const float factor = inverse_rms_of(x, row, eps, scratch);
  const HalfRounding half = out.is_half() ? out.half_rounding(x, row, factor, scratch) : HalfRounding();
  for (int64_t column = first_column(); is_warp_inside(column, x.columns); column += column_step()) {
    out.store(row, column, x.load(row, column), factor, half);
  }
}

// x, residual [R, D], weight [D].   grid R, shared kReduceScratch floats. A thread reads the columns of the new
// residual that it has written.
// ptxas: <= 64 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads)
    rms_norm_add_kernel(QuadRows<const float> x, QuadRows<const float> weight, float eps, float scale,
                        QuadRows<float> residual, NormTargets next) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  float* scratch = shared_memory<float>();
  const float factor = inverse_rms_of(x, row, eps, scratch);
  float squares = 0;
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    const Quad values = x.load(row, column), weights = weight.load(0, column);
    Quad sum = residual.load(row, column);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.v[i] = (sum.v[i] + values.v[i] * factor * weights.v[i]) * scale;
    residual.store(row, column, sum);
    add_squares(sum, squares);
  }
  next.make(residual, row, squares, eps, scratch);
}

Launch launch_rows(const Context& context, ConstMatrix x) {
  return {dim3(static_cast<unsigned>(x.rows)), row_threads(x.columns), kReduceScratch * sizeof(float),
          context.queue->stream()};
}

}  // namespace

void rms_norm(const Context& context, const ops::RmsNormArguments& a) {
  const ops::NormedRows rows[] = {{.weight = a.weight, .scale = a.scale, .out = a.out, .rounding = a.rounding}};
  const NormTargets targets = norm_targets(context, rows);
  launch("rms_norm", launch_rows(context, a.x), rms_norm_kernel, QuadRows(a.x), a.eps, targets.target[0]);
  pack_remaining(context, rows, targets);
}

void rms_norm_add(const Context& context, const ops::RmsNormAddArguments& a) {
  const NormTargets next = norm_targets(context, a.next);
  launch("rms_norm_add", launch_rows(context, a.x), rms_norm_add_kernel, QuadRows(a.x), one_row(a.weight, a.x.columns),
         a.eps, a.scale, QuadRows(a.residual), next);
  pack_remaining(context, a.next, next);
}

}  // namespace gesso::cuda
