// A block computes one token's row, a thread four columns at a time. The kernel is bound by bytes: the A rows of a
// token are read once, eight at a time, and their sum stays in registers.
#include "ops/expert_combine.h"

#include "cuda/block/quad_rows.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// The number of rows of y that a thread loads before it uses the first. Eight are enough to hide the memory's latency.
constexpr int kRowsInFlight = 8;

// sum + the next kCount terms of sum_a weights[a] * y[slots[a]].
template <int kCount>
__device__ Quad add_rows(const QuadRows<const float>& y, const int32_t* slots, const float* weights, int64_t column,
                         Quad sum) {
  Quad values[kCount];
#pragma unroll
  for (int a = 0; a < kCount; ++a) {
    // load() has a condition, which would keep the compiler from starting several loads at once. So only kCount = 1
    // uses it.
    values[a] = kCount > 1 ? y.load_whole(slots[a], column) : y.load(slots[a], column);
  }
#pragma unroll
  for (int a = 0; a < kCount; ++a) {
    const float weight = weights[a];
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.v[i] += weight * values[a].v[i];
  }
  return sum;
}

// Four columns of sum_a weights[a] * y[slots[a]], summed in the order of rising a.
__device__ Quad combine(const QuadRows<const float>& y, const int32_t* slots, const float* weights, int num_active,
                        int64_t column) {
  Quad sum{};
  int a = 0;
  if (y.is_whole(column)) {
    for (; a + kRowsInFlight <= num_active; a += kRowsInFlight) {
      sum = add_rows<kRowsInFlight>(y, slots + a, weights + a, column, sum);
    }
  }
  for (; a < num_active; ++a) sum = add_rows<1>(y, slots + a, weights + a, column, sum);
  return sum;
}

// y [R * A, D], slot_of_pair, weights [R, A], out [R, D].   grid R. The launch bounds ask for one block per
// multiprocessor. Then the compiler takes as many registers as kRowsInFlight loads need. For two blocks it would halve
// them.
// ptxas: <= 64 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads, 1)
    expert_combine_kernel(QuadRows<const float> y, const int32_t* slot_of_pair, const float* weights, int num_active,
                          QuadRows<float> out) {
  const int64_t token = blockIdx.x, first = token * num_active;
  for (int64_t column = first_column(); column < out.columns; column += column_step()) {
    const Quad sum = combine(y, slot_of_pair + first, weights + first, num_active, column);
    out.store(token, column, sum);
  }
}

}  // namespace

void expert_combine(const Context& context, const ops::ExpertCombineArguments& a) {
  launch("expert_combine",
         {dim3(static_cast<unsigned>(a.out.rows)), row_threads(a.out.columns), 0, context.queue->stream()},
         expert_combine_kernel, QuadRows(a.y), a.routing.slot_of_pair.data(), a.routing.weights.data(),
         static_cast<int>(a.routing.num_active), QuadRows(a.out));
}

}  // namespace gesso::cuda
