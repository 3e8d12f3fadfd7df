// Scores of experts as products of float32 on the CUDA cores: nothing is rounded, since the scores decide which experts
// run. The weight of a router is small, so the product is cut into as many blocks as fill the device: tiles of 32 rows
// and 64 experts, and parts of the sum over k. choose_experts adds the parts.
#include "ops/router.h"

#include <algorithm>

#include "core/profile.h"
#include "cuda/block/quad_rows.h"
#include "cuda/block/ring.h"
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"
#include "cuda/routing/choose_experts.h"
#include "ops/linear.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarpSize;
constexpr int kTileRows = 32, kTileExperts = 64;
constexpr int kLaneRows = 8, kLaneExperts = 8;  // a lane's part of the tile; a warp has all of it
constexpr int kStep = 4 * kWarps;               // columns of a step: four for each warp
constexpr int kStages = 3;                      // of the ring of steps
// Floats from a row to the next in shared memory: the same four columns of 8 rows are in different banks.
constexpr int kPitch = kStep + 4, kSumPitch = kTileExperts + 8;
constexpr int kStageFloats = (kTileRows + kTileExperts) * kPitch;
constexpr int kHalfRows = kTileRows / 2;  // sums of the warps meet in shared memory, for half of the rows at a time
static_assert(kWarps * kHalfRows * kSumPitch <= kStages * kStageFloats);

// The tiles of a canvas of 256 rows. The number of parts follows from it, and not from the rows of a pass: it must not
// change the order of a row's sum.
constexpr int kCanvasRows = 256;

struct RouterProduct {
  const float* x;         // [R, D]
  const float* weight;    // [E, D]
  QuadRows<float> parts;  // [splits * R, E]
  int64_t x_stride;
  int32_t num_rows, num_experts, num_columns;
  int32_t steps_per_split;
};

// A block's place: its rows, its experts and its part of the sum.
struct Place {
  int row, expert, first_step, last_step;

  __device__ explicit Place(const RouterProduct& p)
      : row(static_cast<int>(blockIdx.x) * kTileRows),
        expert(static_cast<int>(blockIdx.y) * kTileExperts),
        first_step(static_cast<int>(blockIdx.z) * p.steps_per_split),
        last_step(std::min(first_step + p.steps_per_split, (p.num_columns + kStep - 1) / kStep)) {}
};

// Starts to copy a step: rows of x, and behind them rows of the weight. What is outside becomes zero.
__device__ void copy_step(const RouterProduct& p, const Place& place, int step, float* stage) {
  constexpr int kRowsAtATime = kThreads / kWarps;
  const int row = static_cast<int>(threadIdx.x) / kWarps, of_step = static_cast<int>(threadIdx.x) % kWarps * 4;
  const int column = step * kStep + of_step;
  const bool is_there = step < place.last_step && column < p.num_columns;
#pragma unroll
  for (int first = 0; first < kTileRows + kTileExperts; first += kRowsAtATime) {
    const bool is_x = first < kTileRows;
    const int wanted = row + (is_x ? place.row + first : place.expert + first - kTileRows);
    const bool is_inside = is_there && wanted < (is_x ? p.num_rows : p.num_experts);
    const float* source = is_x ? p.x + wanted * p.x_stride : p.weight + int64_t{wanted} * p.num_columns;
    copy_async_16(stage + (first + row) * kPitch + of_step, is_inside ? source + column : p.x, is_inside);
  }
  commit_copies();
}

// Adds the products of the warp's four columns of a step.
__device__ void add_products(const float* stage, float (&sums)[kLaneRows][kLaneExperts]) {
  const float* columns = stage + 4 * warp_index();
  const float* x_rows = columns + lane_index() / 8 * kPitch;
  const float* experts = columns + (kTileRows + lane_index() % 8) * kPitch;
  Quad x[kLaneRows];
#pragma unroll
  for (int i = 0; i < kLaneRows; ++i) x[i] = load_from<Quad>(x_rows + 4 * i * kPitch);
#pragma unroll
  for (int j = 0; j < kLaneExperts; ++j) {
    const Quad weight = load_from<Quad>(experts + 8 * j * kPitch);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int i = 0; i < kLaneRows; ++i) sums[i][j] += x[i].v[k] * weight.v[k];
    }
  }
}

// Adds the warps' sums in the order of the warps, and stores them.
__device__ void store_sums(const RouterProduct& p, const Place& place, const float (&sums)[kLaneRows][kLaneExperts],
                           float* shared) {
  float* mine = shared + (warp_index() * kHalfRows + lane_index() / 8) * kSumPitch + lane_index() % 8;
  const int row = static_cast<int>(threadIdx.x) / (kTileExperts / 4);
  const int expert = static_cast<int>(threadIdx.x) % (kTileExperts / 4) * 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    sync_block();
#pragma unroll
    for (int i = 0; i < kLaneRows / 2; ++i) {
#pragma unroll
      for (int j = 0; j < kLaneExperts; ++j) {
        store_to(mine + 4 * i * kSumPitch + 8 * j, sums[half * kLaneRows / 2 + i][j]);
      }
    }
    sync_block();
    Quad total = {};
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      const Quad of_warp = load_from<Quad>(shared + (warp * kHalfRows + row) * kSumPitch + expert);
#pragma unroll
      for (int i = 0; i < 4; ++i) total.v[i] += of_warp.v[i];
    }
    const int to_row = place.row + half * kHalfRows + row;
    if (to_row < p.num_rows) p.parts.store(int64_t{blockIdx.z} * p.num_rows + to_row, place.expert + expert, total);
  }
}

// A block multiplies 32 rows of x with 64 experts, for a part of k. Its warps take four columns of a step each, so that
// a lane has 8 x 8 sums, and reads 64 bytes of shared memory for 16 of 64 multiplications. Float32 multiplications
// bound it.   x [R, D], weight [E, D], parts [splits, R, E].   grid R / 32, E / 64, splits; shared kStages steps.
// ptxas: <= 128 registers; FFMA, LDGSTS, LDS.128
__global__ void __launch_bounds__(kThreads, 2) router_kernel(RouterProduct p) {
  wait_for_earlier_kernels();
  const Place place(p);
  float* ring = shared_memory<float>();
  float sums[kLaneRows][kLaneExperts] = {};
#pragma unroll
  for (int ahead = 0; ahead < kStages - 1; ++ahead) {
    copy_step(p, place, place.first_step + ahead, ring + ahead * kStageFloats);
  }
  RingPosition<kStages> position;
  for (int step = place.first_step; step < place.last_step; ++step) {
    wait_copies<kStages - 2>();
    sync_block();  // the step is there, and the one before is used
    copy_step(p, place, step + kStages - 1, ring + position.free_slot() * kStageFloats);
    add_products(ring + position.slot() * kStageFloats, sums);
    position.advance();
  }
  wait_copies<0>();
  store_sums(p, place, sums, ring);
}

int divide_up(int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); }

// Whether rows can be copied by 16 bytes.
bool is_aligned(const float* data, int64_t stride) {
  return reinterpret_cast<uintptr_t>(data) % sizeof(Quad) == 0 && stride % 4 == 0;
}

}  // namespace

void router(const Context& context, const ops::RouterArguments& a) {
  const Tensor& weight = a.weight.values;
  if (weight.dtype != DType::kF32 || !is_aligned(weight.f32(), a.x.columns) || !is_aligned(a.x.data, a.x.stride)) {
    linear(context, {.x = a.x, .weight = a.weight, .out = a.scores});
    return route(context, {.scores = a.scores, .per_expert_scale = a.per_expert_scale, .routing = a.routing});
  }
  const int64_t rows = a.x.rows, experts = a.scores.columns;
  const int num_steps = divide_up(a.x.columns, kStep), expert_tiles = divide_up(experts, kTileExperts);
  const int num_tiles = kCanvasRows / kTileRows * expert_tiles;
  const int wanted = std::max(context.queue->properties().num_multiprocessors / num_tiles, 1);
  const int steps_per_split = divide_up(num_steps, wanted), num_splits = divide_up(num_steps, steps_per_split);

  float* parts = context.queue->scratch<float>(Scratch::kPartials, num_splits * rows * experts);
  const RouterProduct product = {.x = a.x.data,
                                 .weight = weight.f32(),
                                 .parts = QuadRows(Matrix(parts, num_splits * rows, experts)),
                                 .x_stride = a.x.stride,
                                 .num_rows = static_cast<int32_t>(rows),
                                 .num_experts = static_cast<int32_t>(experts),
                                 .num_columns = static_cast<int32_t>(a.x.columns),
                                 .steps_per_split = steps_per_split};
  const dim3 grid(divide_up(rows, kTileRows), expert_tiles, num_splits);
  launch("router", {grid, kThreads, kStages * kStageFloats * sizeof(float), context.queue->stream()}, router_kernel,
         product);
  const PartialScores scores = {.parts = parts,
                                .part_stride = rows * experts,
                                .row_stride = experts,
                                .scale = a.weight.scale ? a.weight.scale.f32() : nullptr,
                                .num_parts = num_splits,
                                .num_experts = product.num_experts};
  choose_experts(context, scores, rows, a.per_expert_scale.f32(), a.routing);
}

}  // namespace gesso::cuda
