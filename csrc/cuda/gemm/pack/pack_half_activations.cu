// A warp packs one row: it looks for the row's largest value, then it reads the row again, from the L1 cache. Latency
// bounds the speed, or with many rows bytes: a lane starts all loads of a row of 704 columns before it uses the first.
#include "cuda/gemm/pack/pack_half_activations.h"

#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/pack/half_rows.h"

namespace gesso::cuda {
namespace {

constexpr int kRowsOfBlock = 8;
constexpr int kWarpColumns = 4 * kWarpSize;  // that a warp loads at a time
constexpr int kLoadsInFlight = 6;

// Calls use(column, quad) for the lane's columns of a row, up to `end`. Columns behind the last one of x count as zero.
template <typename Use>
__device__ inline void visit_row(const QuadRows<const float>& x, int64_t row, int64_t end, Use use) {
  const bool is_whole = x.is_aligned != 0 && x.columns % 4 == 0;
  for (int64_t first = 4 * lane_index(); first < end; first += kLoadsInFlight * kWarpColumns) {
    Quad quads[kLoadsInFlight];
    // load() has conditions, which would keep the compiler from starting several loads at once.
    if (is_whole) {
#pragma unroll
      for (int i = 0; i < kLoadsInFlight; ++i) {
        const int64_t column = first + i * kWarpColumns;
        quads[i] = column < x.columns ? x.load_whole(row, column) : Quad{};
      }
    } else {
#pragma unroll
      for (int i = 0; i < kLoadsInFlight; ++i) quads[i] = x.load(row, first + i * kWarpColumns);
    }
#pragma unroll
    for (int i = 0; i < kLoadsInFlight; ++i) {
      if (first + i * kWarpColumns < end) use(first + i * kWarpColumns, quads[i]);
    }
  }
}

// x [R, K], target [R, ceil(K / 64), 64].   grid R / 8.
// ptxas: <= 96 registers; SHFL, LDG.E.128
__global__ void __launch_bounds__(kRowsOfBlock* kWarpSize)
    pack_half_activations_kernel(QuadRows<const float> x, int64_t num_rows, PackedTarget target) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x * int64_t{kRowsOfBlock} + warp_index();
  if (row >= num_rows) return;
  uint32_t largest = 0;
  visit_row(x, row, x.columns, [&](int64_t, const Quad& quad) { largest = largest_bits(quad, largest); });
  const HalfRounding rounding(warp_max(largest));
  if (lane_index() == 0) target.row_scales[row] = rounding.scale;
  visit_row(x, row, target.num_steps * int64_t{kStepColumns},
            [&](int64_t column, const Quad& quad) { rounding.store(target, row, column, quad); });
}

}  // namespace

void pack_half_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed) {
  const auto blocks = static_cast<unsigned>((x.rows + kRowsOfBlock - 1) / kRowsOfBlock);
  launch("pack_half_activations", {dim3(blocks), kRowsOfBlock * kWarpSize, 0, queue.stream()},
         pack_half_activations_kernel, QuadRows(x), x.rows, PackedTarget(packed));
}

}  // namespace gesso::cuda
