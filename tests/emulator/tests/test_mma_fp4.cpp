// The block-scaled matrix instructions against plain loops. Their layouts and formats are written down here a second
// time, from PTX's documentation.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma_fp4.h"
#include "emulator.h"

namespace {

using namespace gesso;
using namespace gesso::cuda;

constexpr int kM = 16, kN = 8, kK = 64;

// Codes and scales of A [16, 64] and of B [64, 8] by columns, and the sums D.
struct Operands {
  uint8_t a[kM][kK], b[kN][kK];
  uint8_t scales_a[kM][4], scales_b[kN][4];
  float d[kM][kN];
};

uint32_t pack_codes(const uint8_t* codes) {
  uint32_t word = 0;
  for (int i = 0; i < 8; ++i) word |= uint32_t{codes[i]} << 4 * i;
  return word;
}

uint32_t pack_scales(const uint8_t* scales) {
  return scales[0] | uint32_t{scales[1]} << 8 | uint32_t{scales[2]} << 16 | uint32_t{scales[3]} << 24;
}

void mma_kernel(Operands* operands, bool is_nvfp4) {
  const int lane = lane_index(), g = lane / 4, t = lane % 4;
  Operands& all = *operands;
  const uint32_t a[4] = {pack_codes(all.a[g] + 8 * t), pack_codes(all.a[g + 8] + 8 * t),
                         pack_codes(all.a[g] + 8 * t + 32), pack_codes(all.a[g + 8] + 8 * t + 32)};
  const uint32_t b[2] = {pack_codes(all.b[g] + 8 * t), pack_codes(all.b[g] + 8 * t + 32)};
  // Scales that the instruction ignores get other values.
  const uint32_t scales_a = t < 2 ? pack_scales(all.scales_a[g + 8 * t]) : 0x12345678u;
  const uint32_t scales_b = t == 0 ? pack_scales(all.scales_b[g]) : 0x12345678u;
  float d[4];
  for (int i = 0; i < 4; ++i) d[i] = all.d[g + i / 2 * 8][2 * t + i % 2];
  if (is_nvfp4) {
    mma_nvfp4(d, a, b, scales_a, scales_b);
  } else {
    mma_mxfp4(d, a, b, scales_a, scales_b);
  }
  for (int i = 0; i < 4; ++i) all.d[g + i / 2 * 8][2 * t + i % 2] = d[i];
}

std::string run(Operands& operands, bool is_nvfp4) {
  void* data = nullptr;
  REQUIRE(cudaMalloc(&data, sizeof(Operands)) == cudaSuccess);
  REQUIRE(cudaMemcpy(data, &operands, sizeof(Operands), cudaMemcpyHostToDevice) == cudaSuccess);
  launch("mma", {dim3(1), 32, 0, nullptr}, mma_kernel, static_cast<Operands*>(data), is_nvfp4);
  const bool is_fine = cudaDeviceSynchronize() == cudaSuccess;
  if (is_fine) REQUIRE(cudaMemcpy(&operands, data, sizeof(Operands), cudaMemcpyDeviceToHost) == cudaSuccess);
  cudaFree(data);
  return is_fine ? "" : emulator::take_failure();
}

Operands random_operands(uint32_t seed, int max_scale) {
  std::mt19937 random(seed);
  Operands operands;
  const auto fill = [&](auto& matrix, int end) {
    for (auto& line : matrix) {
      for (auto& value : line) value = static_cast<std::remove_reference_t<decltype(value)>>(random() % end);
    }
  };
  fill(operands.a, 16);
  fill(operands.b, 16);
  fill(operands.scales_a, max_scale);
  fill(operands.scales_b, max_scale);
  fill(operands.d, 1000);
  return operands;
}

double e2m1(int code) {
  const double sizes[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  return code < 8 ? sizes[code] : -sizes[code - 8];
}
double e4m3(int code) { return code < 8 ? code / 512.0 : std::ldexp(1 + code % 8 / 8.0, code / 8 - 7); }
double e8m0(int code) { return std::ldexp(1.0, code - 127); }

// The worst error, divided by the sum of the magnitudes of what is added.
double worst_error(const Operands& before, const Operands& after, int block, double (*scale)(int)) {
  double worst = 0;
  for (int m = 0; m < kM; ++m) {
    for (int n = 0; n < kN; ++n) {
      double sum = before.d[m][n], size = std::abs(sum);
      for (int k = 0; k < kK; ++k) {
        const double product = e2m1(before.a[m][k]) * scale(before.scales_a[m][k / block]) * e2m1(before.b[n][k]) *
                               scale(before.scales_b[n][k / block]);
        sum += product;
        size += std::abs(product);
      }
      worst = std::max(worst, std::abs(after.d[m][n] - sum) / size);
    }
  }
  return worst;
}

struct Device {
  explicit Device(int architecture) { emulator::set_architecture(architecture); }
  ~Device() { emulator::reset_settings(); }
};

TEST_CASE("mma_nvfp4 multiplies as plain loops do") {
  Device device(120);
  for (uint32_t seed = 0; seed < 3; ++seed) {
    const Operands before = random_operands(seed, 0x7f);  // all scales but the NaN
    Operands after = before;
    CHECK(run(after, true) == "");
    CHECK(worst_error(before, after, 16, e4m3) < 1e-7);
  }
}

TEST_CASE("mma_mxfp4 multiplies as plain loops do") {
  Device device(121);
  for (uint32_t seed = 0; seed < 3; ++seed) {
    Operands before = random_operands(seed, 20);
    for (auto& scales : before.scales_a) {
      for (uint8_t& scale : scales) scale = static_cast<uint8_t>(scale + 110);
    }
    for (auto& scales : before.scales_b) {
      for (uint8_t& scale : scales) scale = static_cast<uint8_t>(scale + 130);
    }
    Operands after = before;
    CHECK(run(after, false) == "");
    CHECK(worst_error(before, after, 32, e8m0) < 1e-7);
  }
}

TEST_CASE("scales that are NaN make NaN of their row") {
  Device device(120);
  for (bool is_nvfp4 : {true, false}) {
    Operands operands = random_operands(1, 0x7f);
    operands.scales_a[3][1] = is_nvfp4 ? 0x7f : 0xff;
    CHECK(run(operands, is_nvfp4) == "");
    CHECK(std::isnan(operands.d[3][0]));
    CHECK(!std::isnan(operands.d[4][0]));
  }
}

TEST_CASE("a scale of NVFP4 has no sign, and other architectures have no such instruction") {
  Device device(120);
  Operands operands = random_operands(1, 0x7f);
  operands.scales_b[2][3] = 0x80;
  CHECK(run(operands, true).find("a scale with a sign") != std::string::npos);
  emulator::set_architecture(90);
  CHECK(run(operands, false).find("only sm_120 and sm_121") != std::string::npos);
}

}  // namespace
