// How the threads of a block meet. Kernels with a mistake run here, and the same kernels without the mistake.
#include <atomic>

#include "cuda/block/hand_over.h"
#include "cuda/block/last_block.h"
#include "cuda/block/reduce.h"
#include "cuda/device/arrival.h"
#include "cuda/device/barrier.h"
#include "cuda/device/warp.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

using emulator::compare_seeds;

// Reverses the block's values through shared memory.
__global__ void reverse_kernel(const float* x, float* out, bool has_barrier) {
  float* shared = shared_memory<float>();
  shared[threadIdx.x] = x[threadIdx.x];
  if (has_barrier) sync_block();
  out[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

std::vector<float> reversed(bool has_barrier) {
  std::vector<float> x(64);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const OnDevice<float> in(x), out(x.size());
  run_kernel(1, 64, 64 * sizeof(float), reverse_kernel, in, out, has_barrier);
  return out.read();
}

TEST_CASE("a barrier makes what other threads wrote visible") {
  const std::vector<float> out = reversed(true);
  for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<float>(63 - i));
  CHECK(compare_seeds(8, [] { return reversed(true); }) == "");
}

TEST_CASE("a missing barrier shows as poison, and as a difference between seeds") {
  int num_poisoned = 0;
  for (float value : reversed(false)) num_poisoned += value != value;
  CHECK(num_poisoned > 0);
  CHECK(contains(compare_seeds(8, [] { return reversed(false); }), "under seed"));
}

// Writes a value to shared memory and reads another thread's, several times. A barrier between reading and the next
// writing is optional.
__global__ void rounds_kernel(int* out, int num_rounds, bool has_second_barrier) {
  int* shared = shared_memory<int>();
  int sum = 0;
  for (int round = 0; round < num_rounds; ++round) {
    shared[threadIdx.x] = round * 1000 + static_cast<int>(threadIdx.x);
    sync_block();
    sum += shared[(threadIdx.x + 40) % blockDim.x];
    if (has_second_barrier) sync_block();
  }
  out[threadIdx.x] = sum;
}

std::vector<int> rounds(bool has_second_barrier) {
  const OnDevice<int> out(128);
  run_kernel(1, 128, 128 * sizeof(int), rounds_kernel, out, 5, has_second_barrier);
  return out.read();
}

TEST_CASE("memory that is written again before all have read it shows as a difference between seeds") {
  CHECK(compare_seeds(8, [] { return rounds(true); }) == "");
  CHECK(contains(compare_seeds(8, [] { return rounds(false); }), "under seed"));
}

// The same exchange within a warp.
__global__ void neighbour_kernel(int* out, bool has_barrier) {
  int* shared = shared_memory<int>();
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (has_barrier) sync_warps(1, 32);
  out[threadIdx.x] = shared[threadIdx.x ^ 1];
}

std::vector<int> neighbours(bool has_barrier) {
  const OnDevice<int> out(32);
  run_kernel(1, 32, 32 * sizeof(int), neighbour_kernel, out, has_barrier);
  return out.read();
}

TEST_CASE("the lanes of a warp run one after another, too") {
  CHECK(compare_seeds(8, [] { return neighbours(true); }) == "");
  CHECK(contains(compare_seeds(8, [] { return neighbours(false); }), "under seed"));
}

__global__ void read_shared_kernel(uint32_t* out) { out[threadIdx.x] = shared_memory<uint32_t>()[threadIdx.x]; }

TEST_CASE("shared memory is poisoned at the beginning of each block") {
  const OnDevice<uint32_t> out(32);
  run_kernel(2, 32, 32 * sizeof(uint32_t), read_shared_kernel, out);
  for (uint32_t word : out.read()) CHECK(word == 0xffffffffu);
}

// Threads from `first` on do not come to the barrier.
__global__ void some_leave_kernel(int first) {
  if (static_cast<int>(threadIdx.x) >= first) return;
  sync_block();
}

TEST_CASE("a barrier that not all threads come to is an error") {
  CHECK_NOTHROW(run_kernel(1, 64, 0, some_leave_kernel, 64));
  const std::string within = failure_of([] { run_kernel(1, 64, 0, some_leave_kernel, 40); });
  CHECK(contains(within, "kernel test_kernel, block (0, 0, 0)"));
  CHECK(contains(within, "lanes 0, 1, 2, 3, 4, 5, 6, 7 of warp 1 wait at sync_block (test_blocks.cpp:"));
  const std::string whole = failure_of([] { run_kernel(1, 64, 0, some_leave_kernel, 32); });
  CHECK(contains(whole, "deadlock: warp 0 waits at sync_block (test_blocks.cpp:"));
  CHECK(contains(whole, "warp 1 has ended"));
}

__global__ void different_kernel(int* out) {
  if (lane_index() < 16) {
    out[threadIdx.x] = shuffle(1, 0);
  } else {
    out[threadIdx.x] = static_cast<int>(ballot(true));
  }
}

TEST_CASE("lanes of a warp at different instructions are an error") {
  const OnDevice<int> out(32);
  const std::string failure = failure_of([&] { run_kernel(1, 32, 0, different_kernel, out); });
  CHECK(contains(failure, "divergence"));
  CHECK(contains(failure, "shuffle"));
  CHECK(contains(failure, "ballot"));
}

__global__ void same_at_two_places_kernel(int* out) {
  if (lane_index() < 16) {
    out[threadIdx.x] = shuffle(1, 0);
  } else {
    out[threadIdx.x] = shuffle(2, 0);
  }
}

TEST_CASE("the same instruction at two places is an error as well") {
  const OnDevice<int> out(32);
  CHECK(contains(failure_of([&] { run_kernel(1, 32, 0, same_at_two_places_kernel, out); }), "divergence"));
}

__global__ void exchange_kernel(int* out) {
  const int lane = lane_index();
  out[lane] = shuffle(lane * 10, 7);
  out[32 + lane] = shuffle_xor(lane * 10, 5);
  out[64 + lane] = static_cast<int>(ballot(lane % 3 == 0));
  out[96 + lane] = warp_sum(lane);
  out[128 + lane] = warp_max(lane ^ 21);
}

TEST_CASE("what lanes exchange") {
  const OnDevice<int> device(160);
  run_kernel(1, 32, 0, exchange_kernel, device);
  const std::vector<int> out = device.read();
  for (int lane = 0; lane < 32; ++lane) {
    CHECK(out[lane] == 70);
    CHECK(out[32 + lane] == (lane ^ 5) * 10);
    CHECK(out[64 + lane] == 0x49249249);
    CHECK(out[96 + lane] == 31 * 16);
    CHECK(out[128 + lane] == 31);
  }
}

__global__ void block_reduce_kernel(float* out) {
  float* scratch = shared_memory<float>();
  const float x = static_cast<float>(threadIdx.x);
  out[threadIdx.x] = block_sum(x, scratch);
  out[blockDim.x + threadIdx.x] = block_max(-x, scratch);
}

TEST_CASE("sums and maxima over a block") {
  for (const int block : {32, 64, 1024}) {
    const OnDevice<float> device(2 * static_cast<size_t>(block));
    run_kernel(1, block, kReduceScratch * sizeof(float), block_reduce_kernel, device);
    const std::vector<float> out = device.read();
    for (int i = 0; i < block; ++i) {
      CHECK(out[i] == static_cast<float>(block * (block - 1) / 2));
      CHECK(out[block + i] == 0);
    }
  }
}

// Warps 0 and 1 write, warps 2 and 3 read. Warps 0 and 2 share one barrier, warps 1 and 3 another.
__global__ void pairs_kernel(int* out, bool has_barrier) {
  int* shared = shared_memory<int>();
  const int pair = warp_index() % 2;
  const int i = pair * 32 + lane_index();
  if (warp_index() < 2) shared[i] = i;
  if (has_barrier) sync_warps(1 + pair, 64);
  if (warp_index() >= 2) out[i] = shared[i];
}

std::vector<int> pairs(bool has_barrier) {
  const OnDevice<int> out(64);
  run_kernel(1, 128, 64 * sizeof(int), pairs_kernel, out, has_barrier);
  return out.read();
}

TEST_CASE("barriers of some of the warps") {
  CHECK(compare_seeds(8, [] { return pairs(true); }) == "");
  CHECK(pairs(true)[63] == 63);
  CHECK(contains(compare_seeds(8, [] { return pairs(false); }), "under seed"));
}

__global__ void too_few_kernel() { sync_warps(3, 96); }

TEST_CASE("a barrier that waits for more threads than there are") {
  CHECK(contains(failure_of([] { run_kernel(1, 64, 0, too_few_kernel); }), "deadlock"));
}

__global__ void ticket_kernel(int* counter, int* out) {
  if (threadIdx.x == 0) out[std::atomic_ref(*counter).fetch_add(1)] = static_cast<int>(blockIdx.x);
}

TEST_CASE("blocks come in another order under another seed") {
  const auto order = [] {
    const OnDevice<int> counter(std::vector<int>{0}), out(16);
    run_kernel(16, 32, 0, ticket_kernel, counter, out);
    return out.read();
  };
  CHECK(contains(compare_seeds(8, order), "under seed"));
}

__global__ void many_blocks_kernel(int* out) {
  int* shared = shared_memory<int>();
  int value = static_cast<int>(blockIdx.x);
  for (int i = 0; i < 10; ++i) {
    shared[threadIdx.x] = value;
    sync_block();
    value = shared[threadIdx.x ^ 33] + 1;
    sync_block();
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

TEST_CASE("blocks run on several threads of the host") {
  const OnDevice<int> device(1000 * 64);
  run_kernel(1000, 64, 64 * sizeof(int), many_blocks_kernel, device);
  const std::vector<int> out = device.read();
  int num_wrong = 0;
  for (size_t i = 0; i < out.size(); ++i) num_wrong += out[i] != static_cast<int>(i / 64) + 10;
  CHECK(num_wrong == 0);
}

PLANTED_MISTAKE __global__ void division_kernel(int* x) { x[0] = 7 / x[1]; }

__global__ void deep_kernel(int* out, int depth) {
  volatile char big[1 << 20];
  big[depth] = 1;
  out[0] = big[depth];
}

TEST_CASE("other ways to fail") {
  const OnDevice<int> x(std::vector<int>{1, 0});
  CHECK(contains(failure_of([&] { run_kernel(1, 32, 0, division_kernel, x); }), "division of an integer by zero"));
  CHECK(contains(failure_of([&] { run_kernel(1, 32, 0, deep_kernel, x, 5); }), "stack"));
  CHECK(reversed(true)[0] == 63);  // none of these failures has a lasting effect
}

// Each block writes its number, and the last one adds the numbers of all, in their order: 1 + 2 * 2 + 3 * 4 + ...
__global__ void add_blocks_kernel(float* partials, int32_t* counter, float* sum, bool counts) {
  partials[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<float>(blockIdx.x + 1);
  const int num_blocks = static_cast<int>(gridDim.x);
  if (counts ? !is_last_block(counter, num_blocks, shared_memory<int32_t>()) : blockIdx.x + 1 < gridDim.x) return;
  float total = 0;
  for (int block = 0; block < num_blocks; ++block) {
    total = 2 * total + load_written(partials + block * blockDim.x + threadIdx.x);
  }
  sum[threadIdx.x] = total;
}

// Two launches with the same counter.
std::vector<float> sum_of_blocks(bool counts) {
  const OnDevice<int32_t> counter(std::vector<int32_t>{0});
  const OnDevice<float> first(5 * 64), second(5 * 64), sum(64);
  run_kernel(5, 64, sizeof(int32_t), add_blocks_kernel, first, counter, sum, counts);
  run_kernel(5, 64, sizeof(int32_t), add_blocks_kernel, second, counter, sum, counts);
  return sum.read();
}

TEST_CASE("the last block sees what all blocks have written, and leaves the counter ready for the next launch") {
  for (float value : sum_of_blocks(true)) CHECK(value == 16 + 2 * 8 + 3 * 4 + 4 * 2 + 5);
  CHECK(compare_seeds(8, [] { return sum_of_blocks(true); }) == "");
}

TEST_CASE("a block that only takes itself for the last one shows as poison under some seed") {
  CHECK(compare_seeds(8, [] { return sum_of_blocks(false); }) != "");
}

// Blocks 2 i and 2 i + 1 are a pair. Each makes a number for each thread, 1 or 2, and one of them adds both.
__global__ void pair_sums_kernel(float* there, int32_t* counters, int32_t* num_sums, bool waits) {
  const int pair = static_cast<int>(blockIdx.x) / 2;
  float* of_thread = there + pair * static_cast<int>(blockDim.x) + threadIdx.x;
  const float own = static_cast<float>(blockIdx.x % 2 + 1);
  const HandOver hand_over = {counters + 2 * pair};
  if (hand_over.comes_first(shared_memory<int32_t>())) {
    *of_thread = own;
    return hand_over.give();
  }
  if (waits) hand_over.take();
  *of_thread = own + load_written(of_thread);
  if (threadIdx.x == 0) ++num_sums[pair];
}

// Two launches with the same counters.
std::vector<float> sums_of_pairs(bool waits, int num_pairs = 40) {
  const OnDevice<int32_t> counters(std::vector<int32_t>(2 * num_pairs, 0));
  const OnDevice<int32_t> num_sums(std::vector<int32_t>(num_pairs, 0));
  const OnDevice<float> there(num_pairs * 64);
  run_kernel(2 * num_pairs, 64, sizeof(int32_t), pair_sums_kernel, there, counters, num_sums, waits);
  run_kernel(2 * num_pairs, 64, sizeof(int32_t), pair_sums_kernel, there, counters, num_sums, waits);
  if (waits) CHECK(num_sums.read() == std::vector<int32_t>(num_pairs, 2));
  return there.read();
}

TEST_CASE("of a pair of blocks the second one sees what the first has written, and the counters are ready again") {
  for (float value : sums_of_pairs(true)) CHECK(value == 3);
  CHECK(compare_seeds(8, [] { return sums_of_pairs(true); }) == "");
}

TEST_CASE("a pair whose second block does not take over leaves counters that the next launch cannot use") {
  bool is_wrong = false;
  for (float value : sums_of_pairs(false)) is_wrong |= value != 3;
  CHECK(is_wrong);
}

}  // namespace
}  // namespace gesso::cuda
