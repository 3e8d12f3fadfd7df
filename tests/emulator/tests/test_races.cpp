// Whether watched accesses in an order that no barrier makes certain are found, in the first run and with any seed.
#include "cuda/block/ring.h"
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/kernels/gemm_steps.cuh"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

// What the emulator finds while accesses are watched.
template <typename... P, typename... A>
std::string failure_of_kernel(int block, size_t shared_bytes, void (*kernel)(P...), const A&... arguments) {
  emulator::watch_accesses(true);
  const std::string failure = failure_of([&] { run_kernel(1, block, shared_bytes, kernel, arguments...); });
  emulator::watch_accesses(false);
  emulator::take_counts();
  return failure;
}

constexpr int kThreads = 128;

// The walk of gesso's products over a ring of kSlots, of which they should have three. In each step a thread reads what
// another one has copied. One copy may be under way beside the one that is awaited.
template <int kInFlight, int kSlots>
__global__ void walk_kernel(const uint4* x, int first_step, int end_step, uint32_t* out) {
  wait_for_earlier_kernels();
  auto* ring = shared_memory<uint4>();
  const auto slot = [&](int step) { return ring + ring_slot<kSlots>(step) * kThreads; };
  const auto copy = [&](int step) {
    if (step < end_step) copy_async_16(slot(step) + threadIdx.x, x + step * kThreads + static_cast<int>(threadIdx.x));
  };
  uint32_t sum = 0;
  copy(first_step);
  TileWork work = {};
  work.first_step = first_step;
  work.end_step = end_step;
  walk_steps<kInFlight>(
      work, [&](int step) { copy(step + 2); }, [](int) {},
      [&](int step) { sum += load_from<uint4>(slot(step) + (threadIdx.x + 40) % kThreads).x; });
  out[threadIdx.x] = sum;
}

template <int kInFlight, int kSlots>
std::string walk(int first_step, int num_steps) {
  const OnDevice<uint4> x(static_cast<size_t>(kThreads * (first_step + num_steps)));
  const OnDevice<uint32_t> out(kThreads);
  return failure_of_kernel(kThreads, 16 * kThreads * kSlots, walk_kernel<kInFlight, kSlots>, x, first_step,
                           first_step + num_steps, out);
}

TEST_CASE("a walk over a ring has no race") {
  for (int first_step : {0, 5}) {
    for (int num_steps = 1; num_steps < 8; ++num_steps) CHECK(walk<1, 3>(first_step, num_steps) == "no failure");
  }
}

TEST_CASE("waiting for too few copies is found") {
  CHECK(contains(walk<2, 3>(0, 4), "a copy of thread"));
  CHECK(contains(walk<2, 3>(0, 4), "was not waited for (test_races.cpp:"));
}

TEST_CASE("a ring with too few slots is found") { CHECK(contains(walk<1, 2>(0, 4), "race: ")); }

enum Mistake { kNone, kNoBarrier, kOtherBarrier, kOneWarp };

// The first warp stores, and others load. Warps 0 and 1 meet at a barrier of their own.
__global__ void pair_kernel(uint32_t* out, Mistake mistake) {
  wait_for_earlier_kernels();
  auto* shared = shared_memory<uint32_t>();
  const int warp = warp_index();
  if (warp == 0) store_to(shared + lane_index(), 1u);
  if (mistake != kNoBarrier && warp < 2)
    sync_warps(mistake == kOtherBarrier ? 1 + warp : 1, mistake == kOtherBarrier ? 32 : 64);
  const int reader = mistake == kOneWarp ? 2 : 1;
  if (warp == reader) out[lane_index()] = load_from<uint32_t>(shared + lane_index());
}

TEST_CASE("a barrier orders the warps that come to it, and no others") {
  const OnDevice<uint32_t> out(32);
  const auto run = [&](Mistake mistake) { return failure_of_kernel(96, 128, pair_kernel, out, mistake); };
  CHECK(run(kNone) == "no failure");
  // Where the second warp comes first, it reads before the first one writes. Then the writing is the mistake.
  for (Mistake mistake : {kNoBarrier, kOtherBarrier, kOneWarp}) CHECK(contains(run(mistake), "no barrier is between"));
}

// A lane reads what another lane of its warp has stored. That needs a barrier, too.
__global__ void lane_kernel(uint32_t* out, int barrier) {
  wait_for_earlier_kernels();
  auto* shared = shared_memory<uint32_t>();
  store_to(shared + lane_index(), 1u);
  if (barrier == 1) sync_warps(1, 32);
  if (barrier == 2) sync_warp();
  out[lane_index()] = load_from<uint32_t>(shared + (lane_index() ^ 1));
}

// The same of two warps, each with a barrier of its own.
__global__ void warps_kernel(uint32_t* out) {
  auto* shared = shared_memory<uint32_t>();
  if (warp_index() == 0) store_to(shared + lane_index(), 1u);
  sync_warp();
  if (warp_index() == 1) out[lane_index()] = load_from<uint32_t>(shared + lane_index());
}

TEST_CASE("the lanes of a warp need a barrier between them") {
  const OnDevice<uint32_t> out(32);
  for (int barrier : {1, 2}) CHECK(failure_of_kernel(32, 128, lane_kernel, out, barrier) == "no failure");
  CHECK(contains(failure_of_kernel(32, 128, lane_kernel, out, 0), "race: reads byte"));
  // A barrier of a warp does not order it behind another one.
  const OnDevice<uint32_t> of_two(64);
  CHECK(contains(failure_of_kernel(64, 128, warps_kernel, of_two), "no barrier is between"));
}

// A product whose tile is written again, before it has been waited for or behind that.
__global__ void product_kernel(bool is_early) {
  wait_for_earlier_kernels();
  auto* shared = shared_memory<uint8_t>();
  shared += (1024 - shared_address(shared) % 1024) % 1024;
  for (int i = static_cast<int>(threadIdx.x); i < 1024; i += 128) store_to(shared + 16 * i, make_uint4(0, 0, 0, 0));
  fence_async_proxy();
  sync_block();
  float sums[32];
  wgmma_fence();
  wgmma_bf16(sums, wgmma_operand(shared, 0), wgmma_operand(shared + 8192, 0), false);
  wgmma_commit();
  if (!is_early) wgmma_finish(sums);
  sync_block();
  store_to(shared + 16 * threadIdx.x, make_uint4(0, 0, 0, 0));  // the same values, so that nothing else finds it
  if (is_early) wgmma_finish(sums);
}

TEST_CASE("a tile that is written while a product reads it is found") {
  CHECK(failure_of_kernel(128, 1024 + 2 * 8192, product_kernel, false) == "no failure");
  CHECK(contains(failure_of_kernel(128, 1024 + 2 * 8192, product_kernel, true), "a product of warp"));
}

// Reads what a kernel before it may still be about to write.
__global__ void hasty_kernel(const uint32_t* x, uint32_t* out, bool waits) {
  if (waits) wait_for_earlier_kernels();
  out[threadIdx.x] = load_from<uint32_t>(x + threadIdx.x);
}

TEST_CASE("a kernel that does not wait for those before it is found") {
  const OnDevice<uint32_t> x(32), out(32);
  CHECK(failure_of_kernel(32, 0, hasty_kernel, x, out, true) == "no failure");
  CHECK(contains(failure_of_kernel(32, 0, hasty_kernel, x, out, false), "before wait_for_earlier_kernels()"));
}

}  // namespace
}  // namespace gesso::cuda
