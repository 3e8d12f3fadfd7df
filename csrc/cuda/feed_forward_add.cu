// A block computes one token's row, a thread four columns at a time. The kernel is bound by bytes: the A rows of a
// token's experts are read once, eight at a time, and their sum stays in registers until it is stored. Rows that the
// block has written itself it finds in the L1 cache.
#include "ops/feed_forward_add.h"

#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/pack/norm_target.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

// The number of experts' rows that a thread loads before it uses the first. Eight are enough to hide the memory's
// latency.
constexpr int kRowsInFlight = 8;

// The rows of each token's experts.
struct ExpertRows {
  QuadRows<const float> values;  // [R * A, D] by slot
  const int32_t* slot_of_pair;   // [R, A]
  const float* weights;          // [R, A]
  int64_t num_active;
};

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
__device__ Quad combine(const ExpertRows& experts, int64_t token, int64_t column) {
  const int32_t* slots = experts.slot_of_pair + token * experts.num_active;
  const float* weights = experts.weights + token * experts.num_active;
  const auto num_active = static_cast<int>(experts.num_active);
  Quad sum{};
  int a = 0;
  if (experts.values.is_whole(column)) {
    for (; a + kRowsInFlight <= num_active; a += kRowsInFlight) {
      sum = add_rows<kRowsInFlight>(experts.values, slots + a, weights + a, column, sum);
    }
  }
  for (; a < num_active; ++a) sum = add_rows<1>(experts.values, slots + a, weights + a, column, sum);
  return sum;
}

struct KernelArguments {
  QuadRows<float> mlp;
  QuadRows<const float> mlp_norm, experts_norm, sum_norm;  // one row each
  QuadRows<float> combined;                                // the op's scratch
  QuadRows<float> residual;
  float eps, canvas_scale, text_scale;
  int32_t num_canvas_rows;
};

// Combines the experts' rows of a token. Returns the factors that normalise the MLP's row and the experts'.
struct Factors {
  float mlp, experts;
};
__device__ Factors combine_row(const KernelArguments& a, const ExpertRows& experts, int64_t row, float* scratch) {
  float mlp_squares = 0, squares = 0;
  for (int64_t column = first_column(); column < a.residual.columns; column += column_step()) {
    const Quad sum = combine(experts, row, column);
    a.combined.store(row, column, sum);
    add_squares(sum, squares);
    add_squares(a.mlp.load(row, column), mlp_squares);
  }
  return {inverse_rms(mlp_squares, a.residual.columns, a.eps, scratch),
          inverse_rms(squares, a.residual.columns, a.eps, scratch)};
}

// Leaves rms(mlp) + rms(experts) in the MLP's row. Returns the factor that normalises it.
__device__ float join_row(const KernelArguments& a, const Factors& factors, int64_t row, float* scratch) {
  float squares = 0;
  for (int64_t column = first_column(); column < a.residual.columns; column += column_step()) {
    const Quad mlp = a.mlp.load(row, column), mlp_weights = a.mlp_norm.load(0, column);
    const Quad experts = a.combined.load(row, column), weights = a.experts_norm.load(0, column);
    Quad sum;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum.v[i] = mlp.v[i] * factors.mlp * mlp_weights.v[i] + experts.v[i] * factors.experts * weights.v[i];
    }
    a.mlp.store(row, column, sum);
    add_squares(sum, squares);
  }
  return inverse_rms(squares, a.residual.columns, a.eps, scratch);
}

// Adds the row to the residual. Returns this thread's share of the sum of the new residual's squares.
__device__ float add_row(const KernelArguments& a, float factor, int64_t row) {
  const float scale = row < a.num_canvas_rows ? a.canvas_scale : a.text_scale;
  float squares = 0;
  for (int64_t column = first_column(); column < a.residual.columns; column += column_step()) {
    const Quad values = a.mlp.load(row, column), weights = a.sum_norm.load(0, column);
    Quad sum = a.residual.load(row, column);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.v[i] = (sum.v[i] + values.v[i] * factor * weights.v[i]) * scale;
    a.residual.store(row, column, sum);
    add_squares(sum, squares);
  }
  return squares;
}

// mlp, combined, residual [R, D].   grid R, shared kReduceScratch floats. A thread reads the columns that it has
// written. The launch bounds ask for one block per multiprocessor. Then the compiler takes as many registers as
// kRowsInFlight loads need. For two blocks it would halve them.
// ptxas: <= 64 registers; LDG.E.128
__global__ void __launch_bounds__(kMaxRowThreads, 1)
    feed_forward_add_kernel(KernelArguments a, ExpertRows experts, NormTargets next) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  float* scratch = shared_memory<float>();
  const Factors factors = combine_row(a, experts, row, scratch);
  const float sum_factor = join_row(a, factors, row, scratch);
  const float squares = add_row(a, sum_factor, row);
  next.make(a.residual, row, squares, a.eps, scratch);
}

}  // namespace

void feed_forward_add(const Context& context, const ops::FeedForwardAddArguments& a) {
  const int64_t columns = a.residual.columns;
  const KernelArguments arguments = {QuadRows(a.mlp),
                                     one_row(a.mlp_norm, columns),
                                     one_row(a.experts_norm, columns),
                                     one_row(a.sum_norm, columns),
                                     QuadRows(a.scratch),
                                     QuadRows(a.residual),
                                     a.eps,
                                     a.canvas_scale,
                                     a.text_scale,
                                     static_cast<int32_t>(a.num_canvas_rows)};
  const ExpertRows experts = {QuadRows(a.experts), a.routing.slot_of_pair.data(), a.routing.weights.data(),
                              a.routing.num_active};
  const NormTargets next = norm_targets(context, a.next);
  launch("feed_forward_add",
         {dim3(static_cast<unsigned>(a.residual.rows)), row_threads(columns), kReduceScratch * sizeof(float),
          context.queue->stream()},
         feed_forward_add_kernel, arguments, experts, next);
  pack_remaining(context, a.next, next);
}

}  // namespace gesso::cuda
