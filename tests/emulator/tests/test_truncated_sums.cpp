// Truncated sums: by hand, and that all matrix instructions of floats use them where they are set.
#include <cmath>
#include <limits>

#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/mma.h"
#include "cuda/device/mma_fp4.h"
#include "cuda/device/wgmma.h"
#include "tests/kernel_test.h"
#include "truncated_sum.h"

namespace gesso::cuda {
namespace {

using emulator::truncated_sum;

float sum_of(float sum, const std::vector<double>& products, int num_bits) {
  return truncated_sum(sum, products.data(), products.size(), num_bits);
}

TEST_CASE("bits far below the largest term are cut off before the sum") {
  CHECK(sum_of(1, std::vector<double>(8, 0x1p-24), 24) == 1 + 0x1p-21f);
  CHECK(sum_of(1, std::vector<double>(8, 0x1p-25), 24) == 1);
  CHECK(sum_of(1, std::vector<double>(8, 0x1p-25), 25) == 1 + 0x1p-22f);
  CHECK(sum_of(1, std::vector<double>(8, -0x1p-25), 24) == 1);
  CHECK(sum_of(0x1p-25f, std::vector<double>(1, 1.0), 24) == 1);
  CHECK(sum_of(1, {0x1p30, -0x1p30}, 24) == 0);  // the large terms are gone, but so is the small one
}

TEST_CASE("the sum is cut toward zero") {
  CHECK(sum_of(1, {0x1.8p-24, 0x1p-24}, 25) == 1 + 0x1p-23f);
  CHECK(sum_of(1, {0x1.8p-24}, 25) == 1);
  CHECK(sum_of(-1, {-0x1.8p-24}, 25) == -1);
}

TEST_CASE("what is not finite, and nothing at all") {
  CHECK(sum_of(0, {0, 0}, 24) == 0);
  CHECK(std::isnan(sum_of(0, {std::nan("")}, 24)));
  CHECK(std::isnan(sum_of(-std::numeric_limits<float>::infinity(), {HUGE_VAL}, 24)));
  CHECK(sum_of(1, {HUGE_VAL}, 24) == std::numeric_limits<float>::infinity());
  CHECK(sum_of(0, {-0x1p100, -0x1p200}, 24) == -std::numeric_limits<float>::infinity());
}

enum Kind { kMma, kFp4, kWgmma };

// The matrices hold the same number everywhere, so no layout matters: d = 1 + sum over k of a b.
__global__ void multiply_kernel(float a, float b, Kind kind, float* out) {
  float sums[32] = {1, 1, 1, 1};
  float(&d)[4] = reinterpret_cast<float(&)[4]>(sums);
  const uint32_t a_pair = pack_bf16(a, a), b_pair = pack_bf16(b, b);
  if (kind == kMma) mma_bf16(d, {a_pair, a_pair, a_pair, a_pair}, {b_pair, b_pair});
  if (kind == kFp4) {  // all values are 1, and the scales are powers of two
    const uint32_t scale_a = static_cast<uint32_t>(std::ilogb(a) + 127) * 0x0101;
    const uint32_t scale_b = static_cast<uint32_t>(std::ilogb(b) + 127) * 0x0101;
    constexpr uint32_t kOnes = 0x22222222;
    mma_mxfp4(d, {kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}, scale_a, scale_b);
  }
  if (kind == kWgmma) {
    auto* shared = shared_memory<uint8_t>();
    shared += (1024 - shared_address(shared) % 1024) % 1024;
    auto* tiles = reinterpret_cast<uint32_t*>(shared);
    for (int i = static_cast<int>(threadIdx.x); i < 4096; i += 128) tiles[i] = i < 2048 ? a_pair : b_pair;
    fence_async_proxy();
    sync_block();
    for (float& sum : sums) sum = 1;
    wgmma_fence();
    wgmma_bf16(sums, wgmma_operand(shared, 0), wgmma_operand(shared + 8192, 0), true);
    wgmma_commit();
    wgmma_finish(sums);
  }
  out[threadIdx.x] = sums[0];
}

float product(int architecture, bool truncates, Kind kind, float a, float b) {
  emulator::set_architecture(architecture);
  emulator::set_truncated_sums(truncates);
  const OnDevice<float> out(128);
  run_kernel(1, 128, 1024 + 2 * 8192, multiply_kernel, a, b, kind, out);
  emulator::reset_settings();
  return out.read()[77];
}

TEST_CASE("the matrix instructions truncate their sums if they are told to") {
  CHECK(product(80, false, kMma, 0x1p-12f, 0x1p-12f) == 1);  // one by one, each of 16 is rounded to nothing
  CHECK(product(80, true, kMma, 0x1p-12f, 0x1p-12f) == 1 + 0x1p-20f);
  CHECK(product(80, true, kMma, 0x1p-12f, 0x1p-13f) == 1);
  CHECK(product(90, true, kMma, 0x1p-12f, 0x1p-13f) == 1 + 0x1p-21f);
  CHECK(product(90, true, kWgmma, 0x1p-12f, 0x1p-13f) == 1 + 0x1p-21f);
  CHECK(product(90, true, kWgmma, 0x1p-13f, 0x1p-13f) == 1);
  CHECK(product(90, false, kWgmma, 0x1p-13f, 0x1p-13f) == 1 + 0x1p-22f);
  CHECK(product(120, true, kFp4, 0x1p-12f, 0x1p-13f) == 1 + 0x1p-19f);
  CHECK(product(120, true, kFp4, 0x1p-13f, 0x1p-13f) == 1);
  CHECK(product(120, false, kFp4, 0x1p-13f, 0x1p-13f) == 1 + 0x1p-20f);
}

}  // namespace
}  // namespace gesso::cuda
