#include "cuda/device/mma_fp4.h"

#include <bit>

#include "settings.h"
#include "truncated_sum.h"

namespace gesso::cuda::emulated {
namespace {

constexpr int kDepth = 64;
constexpr float kE2M1[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

float e2m1(uint32_t code) { return code & 8 ? -kE2M1[code & 7] : kE2M1[code & 7]; }

// The value of an E4M3 without a sign.
float ue4m3(uint32_t code, const emulator::Place& place) {
  if (code > 0x7f) emulator::fail("mma_nvfp4: a scale with a sign", place);
  if (code == 0x7f) return std::bit_cast<float>(0x7fc00000u);
  const uint32_t exponent = code >> 3, fraction = code & 7;
  if (exponent == 0) return static_cast<float>(fraction) * 0x1p-9f;
  return std::bit_cast<float>((exponent + 127 - 7) << 23 | fraction << 20);
}

// The value of an E8M0, a power of two.
float ue8m0(uint32_t code, const emulator::Place&) {
  if (code == 255) return std::bit_cast<float>(0x7fc00000u);
  return std::bit_cast<float>(code == 0 ? 0x00400000u : code << 23);
}

using ScaleOf = float (*)(uint32_t code, const emulator::Place& place);

// A row of A or a column of B, each value multiplied by its scale.
struct Line {
  double values[kDepth];
};

// Reads 4 words of the first register for k = 0..31, and 4 words of the second for k = 32..63.
template <int kBlock>
Line read_line(const uint32_t* first_half, const uint32_t* second_half, uint32_t scales, ScaleOf scale_of,
               const emulator::Place& place) {
  Line line;
  for (int k = 0; k < kDepth; ++k) {
    const uint32_t* half = k < 32 ? first_half : second_half;
    const uint32_t word = half[k % 32 / 8];
    const float scale = scale_of(scales >> k / kBlock * 8 & 255, place);
    line.values[k] = static_cast<double>(e2m1(word >> (k % 8 * 4) & 15)) * static_cast<double>(scale);
  }
  return line;
}

// sum + a b
float add_dot(float sum, const Line& a, const Line& b) {
  double products[kDepth], total = 0;
  for (int k = 0; k < kDepth; ++k) products[k] = a.values[k] * b.values[k];
  if (emulator::settings().truncates_sums) {
    return emulator::truncated_sum(sum, products, kDepth, emulator::sum_rule(emulator::kernel_architecture()).num_bits);
  }
  for (double product : products) total += product;
  return static_cast<float>(static_cast<double>(sum) + total);
}

template <int kBlock>
void compute(MmaFp4& all, ScaleOf scale_of) {
  const int architecture = emulator::kernel_architecture();
  if (architecture != 120 && architecture != 121) {
    emulator::fail("mma_fp4: only sm_120 and sm_121 have it", all.place);
  }
  Line b[8];
  for (int g = 0; g < 8; ++g) {
    b[g] = read_line<kBlock>(all.b[0] + 4 * g, all.b[1] + 4 * g, all.scales_b[4 * g], scale_of, all.place);
  }
  for (int row = 0; row < 16; ++row) {
    const int g = row % 8, half = row / 8;
    const Line a = read_line<kBlock>(all.a[half] + 4 * g, all.a[half + 2] + 4 * g, all.scales_a[4 * g + half], scale_of,
                                     all.place);
    for (int column = 0; column < 8; ++column) {
      float& d = all.d[half][4 * g + column / 2][column % 2];
      d = add_dot(d, a, b[column]);
    }
  }
}

}  // namespace

void compute_mma_nvfp4(void* operands) { compute<16>(*static_cast<MmaFp4*>(operands), ue4m3); }
void compute_mma_mxfp4(void* operands) { compute<32>(*static_cast<MmaFp4*>(operands), ue8m0); }

}  // namespace gesso::cuda::emulated
