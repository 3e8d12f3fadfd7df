// A product like any other, and then a kernel that caps the logits in place. The op is for callers that want whole rows
// of logits; the denoising loop uses head_stats instead. The kernel is bound by bytes.
#include "ops/lm_head.h"

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"
#include "cuda/vocabulary/soft_cap.h"

namespace gesso::cuda {
namespace {

// logits [R, V].   grid R.
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kMaxRowThreads) soft_cap_kernel(QuadRows<float> logits, float cap) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  for (int64_t column = first_column(); column < logits.columns; column += column_step()) {
    Quad quad = logits.load(row, column);
#pragma unroll
    for (int i = 0; i < 4; ++i) quad.v[i] = soft_cap(quad.v[i], cap);
    logits.store(row, column, quad);
  }
}

}  // namespace

void lm_head(const Context& context, const ops::LmHeadArguments& a) {
  multiply(context, pack_rows(context, a.x, ops::kind_of(a.head)), a.head, a.logits);
  launch("lm_head",
         {dim3(static_cast<unsigned>(a.logits.rows)), row_threads(a.logits.columns), 0, context.queue->stream()},
         soft_cap_kernel, QuadRows(a.logits), a.cap);
}

}  // namespace gesso::cuda
