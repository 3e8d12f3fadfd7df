// Barriers for copies, and copies to a pair of blocks: what they order, and which mistakes are found.
#include "cuda/device/access.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bulk_copy.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / kWarpSize, kSteps = 6, kSlots = 2;
constexpr int kSlotBytes = kThreads * 4;

enum Mistake {
  kNone,
  kNoWait,
  kTooFewBytes,
  kTooManyBytes,
  kTooEarly,
  kTooManyArrivals,
  kNotBegun,
  kOldPhase,
  kOneLane
};

// A ring of slots. One thread copies each step's words, and every thread reads one that the other half of the block
// would read in another order. A slot is copied to again when all warps, those of the other block too, have read it.
__global__ void ring_kernel(const uint32_t* x, uint32_t* out, Mistake mistake) {
  wait_for_earlier_kernels();
  auto* slots = shared_memory<uint8_t>();
  auto* there = reinterpret_cast<CopyBarrier*>(slots + kSlots * kSlotBytes);
  CopyBarrier* read = there + kSlots;
  if (threadIdx.x == 0 && mistake != kNotBegun) {
    for (int slot = 0; slot < kSlots; ++slot) {
      begin_barrier(there + slot, 1);
      begin_barrier(read + slot, 2 * kWarps);
    }
  }
  sync_pair();
  const auto start = [&](int step) {
    const int slot = step % kSlots, wrong = mistake == kTooFewBytes ? -16 : mistake == kTooManyBytes ? 16 : 0;
    if (step >= kSlots && mistake != kTooEarly) wait_for_phase(read + slot, static_cast<unsigned>(step / kSlots - 1));
    if (lane_index() != 0) return;
    arrive_and_expect(there + slot, kSlotBytes + wrong);
    if (mistake == kTooManyArrivals) arrive(there + slot);
    copy_to_pair(slots + slot * kSlotBytes, x + step * kThreads, kSlotBytes / 2, there + slot);
  };
  if (warp_index() == 0) start(0);
  uint32_t sum = 0;
  for (int step = 0; step < kSteps; ++step) {
    const int slot = step % kSlots;
    if (warp_index() == 0 && step + 1 < kSteps) start(step + 1);
    const unsigned phase = static_cast<unsigned>(step / kSlots), wanted = mistake == kOldPhase ? 0 : phase;
    if (mistake != kNoWait) {
      wait_for_phase(there + slot, mistake == kOneLane && lane_index() == 7 ? wanted + 1 : wanted);
    }
    sum += load_from<uint32_t>(slots + slot * kSlotBytes + 4 * (kThreads - 1 - threadIdx.x));
    sync_warp();
    if (lane_index() == 0) arrive_in_pair(read + slot);
  }
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
  sync_pair();
}

std::string run(Mistake mistake, bool is_watched, std::vector<uint32_t>* sums = nullptr) {
  emulator::set_architecture(90);
  std::vector<uint32_t> values(kSteps * kThreads);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint32_t>(i * i);
  const OnDevice<uint32_t> x(values), out(2 * kThreads);
  emulator::watch_accesses(is_watched);
  const std::string failure = failure_of(
      [&] { run_kernel(2, kThreads, kSlots * (kSlotBytes + 2 * sizeof(CopyBarrier)), ring_kernel, x, out, mistake); });
  emulator::watch_accesses(false);
  emulator::take_counts();
  if (sums) *sums = out.read();
  emulator::reset_settings();
  return failure;
}

TEST_CASE("copies to a pair arrive in both blocks, in any order of threads") {
  std::vector<uint32_t> wanted(2 * kThreads);
  for (uint32_t thread = 0; thread < wanted.size(); ++thread) {
    for (uint32_t step = 0; step < kSteps; ++step) {
      const uint32_t i = step * kThreads + kThreads - 1 - thread % kThreads;
      wanted[thread] += i * i;
    }
  }
  for (uint64_t seed = 0; seed < 8; ++seed) {
    emulator::set_seed(seed);
    std::vector<uint32_t> sums;
    CHECK(run(kNone, seed % 2 == 0, &sums) == "no failure");
    CHECK(sums == wanted);
  }
}

TEST_CASE("a copy that is not waited for is found, and so is one to a slot that is still read") {
  CHECK(contains(run(kNoWait, true), "race: "));
  CHECK(contains(run(kTooEarly, true), "race: "));
  std::vector<uint32_t> sums, right;
  CHECK(run(kNone, false, &right) == "no failure");
  const bool has_failed = run(kNoWait, false, &sums) != "no failure";
  CHECK((has_failed || sums != right));  // without watching, too
}

TEST_CASE("a phase that cannot end is a deadlock") {
  CHECK(contains(run(kTooFewBytes, false), "deadlock: waits for a phase that does not end (test_bulk_copies.cpp:"));
  CHECK(contains(run(kTooManyBytes, false), "deadlock: "));
}

TEST_CASE("wrong calls of barriers for copies are found") {
  CHECK(contains(run(kTooManyArrivals, false), "more arrivals than the barrier's phase has"));
  CHECK(contains(run(kNotBegun, false), "was not begun"));
  CHECK(contains(run(kOldPhase, false), "waits for a phase before the last one"));
  CHECK(contains(run(kOneLane, false), "the lanes of a warp wait for different phases"));
}

}  // namespace
}  // namespace gesso::cuda
