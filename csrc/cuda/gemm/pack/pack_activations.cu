// A block packs one row, a thread four columns at a time. The rows of x may have any stride. Bytes bound the speed: x
// is read once.
#include "cuda/gemm/pack/pack_activations.h"

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/pack/store_packed.h"

namespace gesso::cuda {
namespace {

// x [R, K].   grid R.
// ptxas: <= 64 registers; SHFL, LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads)
    pack_activations_kernel(QuadRows<const float> x, PackedTarget target) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  for (int64_t column = first_column(); is_warp_inside(column, x.columns); column += column_step()) {
    store_packed(target, row, column, x.load(row, column));
  }
}

}  // namespace

void pack_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed) {
  launch("pack_activations", {dim3(static_cast<unsigned>(x.rows)), row_threads(x.columns), 0, queue.stream()},
         pack_activations_kernel, QuadRows(x), PackedTarget(packed));
}

}  // namespace gesso::cuda
