// What the emulator counts: launches, passes through the banks of shared memory, bytes from global memory. Each kernel
// here has conflicts that are known from the rule of the banks.
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/mma.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

using emulator::KernelCounts;
using emulator::SharedAccesses;

// Runs a kernel and returns its counts.
template <typename... P, typename... A>
KernelCounts counts_of(int num_blocks, int block, size_t shared_bytes, void (*kernel)(P...), const A&... arguments) {
  emulator::take_counts();
  emulator::watch_accesses(true);
  run_kernel(num_blocks, block, shared_bytes, kernel, arguments...);
  emulator::watch_accesses(false);
  const std::vector<KernelCounts> counts = emulator::take_counts();
  REQUIRE(counts.size() == 1);
  CHECK(counts[0].name == "test_kernel");
  return counts[0];
}

void check(const SharedAccesses& got, int64_t num_accesses, int64_t num_passes, int64_t num_free_passes, int num_ways) {
  CHECK(got.num_accesses == num_accesses);
  CHECK(got.num_passes == num_passes);
  CHECK(got.num_free_passes == num_free_passes);
  CHECK(got.num_ways == num_ways);
}

// Each lane of a warp loads a T, `stride` bytes behind that of the lane before.
template <typename T>
__global__ void load_kernel(int stride) {
  wait_for_earlier_kernels();
  [[maybe_unused]] volatile T value = load_from<T>(shared_memory<uint8_t>() + lane_index() * stride);
}

template <typename T>
SharedAccesses loads(int stride) {
  const KernelCounts counts = counts_of(1, 32, 32 * 256, load_kernel<T>, stride);
  CHECK(counts.num_launches == 1);
  CHECK(counts.global_bytes == 0);
  REQUIRE(counts.shared.size() == 1);
  CHECK(counts.shared[0].place.starts_with("test_counts.cpp:"));
  CHECK(!counts.shared[0].is_store);
  CHECK(counts.shared[0].bytes == sizeof(T));
  return counts.shared[0];
}

TEST_CASE("words of one bank need a pass each") {
  check(loads<uint32_t>(4), 1, 1, 1, 1);
  check(loads<uint32_t>(4 * 33), 1, 1, 1, 1);
  check(loads<uint32_t>(4 * 32), 1, 32, 1, 32);
  check(loads<uint32_t>(4 * 2), 1, 2, 1, 2);
  check(loads<uint32_t>(4 * 48), 1, 16, 1, 16);
}

TEST_CASE("lanes share a pass where they read the same word") {
  check(loads<uint32_t>(0), 1, 1, 1, 1);
  check(loads<uint8_t>(1), 1, 1, 1, 1);
  check(loads<uint8_t>(64), 1, 16, 1, 16);  // banks 0 and 16
  check(loads<uint16_t>(34), 1, 2, 1, 2);   // as the scales of Q8_0 would lie without gaps
}

TEST_CASE("half a warp loads 8 bytes each at once, and a quarter 16 bytes each") {
  check(loads<uint64_t>(8), 1, 2, 2, 1);
  check(loads<uint64_t>(16), 1, 4, 2, 2);
  check(loads<uint64_t>(128), 1, 32, 2, 16);
  check(loads<uint4>(16), 1, 4, 4, 1);
  check(loads<uint4>(16 * 9), 1, 4, 4, 1);
  check(loads<uint4>(128), 1, 32, 4, 8);
  check(loads<uint4>(0), 1, 4, 4, 1);
}

// Odd lanes store nothing. The others store twice, and the second time without conflicts. Four warps do it, twice in
// each of two blocks.
__global__ void store_kernel() {
  wait_for_earlier_kernels();
  uint32_t* shared = shared_memory<uint32_t>() + warp_index() * 1024;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 2; ++i) {
      if (lane_index() % 2 == 0) store_to(shared + lane_index() * (i == 0 ? 32 : 1), 1u);
    }
    sync_block();
  }
}

TEST_CASE("the counts of a place are those of all its turns, warps and blocks") {
  const KernelCounts counts = counts_of(2, 128, 4 * 4096, store_kernel);
  REQUIRE(counts.shared.size() == 1);
  CHECK(counts.shared[0].is_store);
  check(counts.shared[0], 2 * 4 * 2 * 2, 2 * 4 * 2 * (16 + 1), 2 * 4 * 2 * 2, 16);
}

// Each lane copies 16 bytes, where `is_valid`; then the warp loads four matrices whose rows are `pitch` bytes apart.
__global__ void copy_kernel(const uint4* x, bool is_valid, int pitch) {
  wait_for_earlier_kernels();
  uint8_t* shared = shared_memory<uint8_t>();
  copy_async_16(shared + 16 * lane_index(), x + lane_index(), is_valid);
  commit_copies();
  wait_copies<0>();
  sync_block();
  uint32_t matrices[4];
  load_matrix_x4(matrices, shared + pitch * lane_index());
}

TEST_CASE("copies and matrix loads") {
  const OnDevice<uint4> x(32);
  const KernelCounts counts = counts_of(3, 32, 32 * 128, copy_kernel, x, true, 128);
  CHECK(counts.global_bytes == 3 * 32 * 16);
  REQUIRE(counts.shared.size() == 2);
  const auto [load, store] = counts.shared[0].is_store ? std::pair(counts.shared[1], counts.shared[0])
                                                       : std::pair(counts.shared[0], counts.shared[1]);
  check(store, 3, 3 * 4, 3 * 4, 1);
  check(load, 3, 3 * 32, 3 * 4, 8);
  const KernelCounts others = counts_of(1, 32, 32 * 128, copy_kernel, x, false, 16);
  CHECK(others.global_bytes == 0);
  for (const SharedAccesses& accesses : others.shared) check(accesses, 1, 4, 4, 1);
}

// The odd lanes leave out the first of two copies. Two lanes change places for the second one.
__global__ void skipping_kernel(const uint4* x) {
  wait_for_earlier_kernels();
  uint8_t* shared = shared_memory<uint8_t>();
  for (int i = 0; i < 2; ++i) {
    copy_async_16_if(i == 1 || lane_index() % 2 == 0, shared + 16 * (lane_index() ^ i) + 1024 * i, x + lane_index());
  }
  commit_copies();
  wait_copies<0>();
}

TEST_CASE("a copy that a lane leaves out belongs to those of the other lanes") {
  const OnDevice<uint4> x(32);
  const KernelCounts counts = counts_of(1, 32, 2048, skipping_kernel, x);
  CHECK(counts.global_bytes == (16 + 32) * 16);
  REQUIRE(counts.shared.size() == 1);
  check(counts.shared[0], 2, 4 + 4, 4 + 4, 1);
}

__global__ void global_kernel(const float2* x, float* out) {
  wait_for_earlier_kernels();
  const auto value = load_from<float2>(x + threadIdx.x);
  out[threadIdx.x] = value.x + value.y;
}

TEST_CASE("launches and loads from global memory") {
  const OnDevice<float2> x(64);
  const OnDevice<float> out(64);
  emulator::take_counts();
  emulator::watch_accesses(true);
  for (int i = 0; i < 3; ++i) run_kernel(1, 64, 0, global_kernel, x, out);
  const std::vector<KernelCounts> counts = emulator::take_counts();
  REQUIRE(counts.size() == 1);
  CHECK(counts[0].num_launches == 3);
  CHECK(counts[0].global_bytes == 3 * 64 * 8);
  CHECK(counts[0].shared.empty());
  emulator::reset_settings();
  run_kernel(1, 64, 0, global_kernel, x, out);
  CHECK(emulator::take_counts().empty());
}

}  // namespace
}  // namespace gesso::cuda
