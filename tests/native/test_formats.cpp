#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "quant/blocks/bf16.h"
#include "quant/blocks/f16.h"
#include "quant/blocks/f32.h"
#include "quant/blocks/iq4_nl.h"
#include "quant/blocks/mxfp4.h"
#include "quant/blocks/nvfp4.h"
#include "quant/blocks/q1_0.h"
#include "quant/blocks/q2_0.h"
#include "quant/blocks/q4_0.h"
#include "quant/blocks/q4_1.h"
#include "quant/blocks/q5_0.h"
#include "quant/blocks/q5_1.h"
#include "quant/blocks/q8_0.h"
#include "quant/codebooks/iq1_m.h"
#include "quant/codebooks/iq1_s.h"
#include "quant/codebooks/iq2_s.h"
#include "quant/codebooks/iq2_xs.h"
#include "quant/codebooks/iq2_xxs.h"
#include "quant/codebooks/iq3_s.h"
#include "quant/codebooks/iq3_xxs.h"
#include "quant/formats.h"
#include "quant/super_blocks/iq4_xs.h"
#include "quant/super_blocks/q2_k.h"
#include "quant/super_blocks/q3_k.h"
#include "quant/super_blocks/q4_k.h"
#include "quant/super_blocks/q5_k.h"
#include "quant/super_blocks/q6_k.h"
#include "quant/super_blocks/tq1_0.h"
#include "quant/super_blocks/tq2_0.h"

namespace gesso::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Decodes with the decoder that the list has for the type. The bytes begin at an odd address and end where their heap
// block ends, so that a sanitizer sees every byte read beyond them.
std::vector<float> decode(DType dtype, const std::string& bytes) {
  const DTypeInfo& info = dtype_info(dtype);
  REQUIRE(bytes.size() % info.block_bytes == 0);
  std::vector<std::byte> storage(bytes.size() + 1);
  std::memcpy(storage.data() + 1, bytes.data(), bytes.size());
  std::vector<float> out(bytes.size() / info.block_bytes * info.block_elements);
  find_decoder(dtype)(storage.data() + 1, static_cast<int64_t>(out.size()), out.data());
  return out;
}

std::string f16(uint16_t bits) { return {static_cast<char>(bits & 255), static_cast<char>(bits >> 8)}; }

template <typename Block>
void check_sizes() {
  const DTypeInfo& info = dtype_info(Block::kDType);
  CHECK(sizeof(Block) == info.block_bytes);
  CHECK(Block::kNumElements == info.block_elements);
  CHECK(static_cast<bool>(find_decoder(Block::kDType)));
  CHECK((", " + supported_types() + ",").find(std::string(", ") + info.name + ",") != std::string::npos);
}

template <typename... Blocks>
void check_all_sizes() {
  (check_sizes<Blocks>(), ...);
}

TEST_CASE("every block format has the size that ggml gives it and is in the list") {
  check_all_sizes<BlockF32, BlockF16, BlockBF16, BlockQ8_0, BlockQ4_0, BlockQ4_1, BlockQ5_0, BlockQ5_1>();
  check_all_sizes<BlockQ2_K, BlockQ3_K, BlockQ4_K, BlockQ5_K, BlockQ6_K>();
  check_all_sizes<BlockIQ1_S, BlockIQ1_M, BlockIQ2_XXS, BlockIQ2_XS, BlockIQ2_S, BlockIQ3_XXS, BlockIQ3_S>();
  check_all_sizes<BlockIQ4_NL, BlockIQ4_XS, BlockTQ1_0, BlockTQ2_0, BlockMXFP4, BlockNVFP4, BlockQ1_0, BlockQ2_0>();
  for (const DType dtype :
       {DType::kQ8_1, DType::kQ8_K, DType::kI8, DType::kI16, DType::kI32, DType::kI64, DType::kF64}) {
    CHECK_FALSE(static_cast<bool>(find_decoder(dtype)));
  }
}

TEST_CASE("half precision converts exactly, all 65536 patterns") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = (bits >> 10) & 31;
    const int mantissa = bits & 1023;
    float expected = std::ldexp(static_cast<float>(mantissa + (exponent ? 1024 : 0)), std::max(exponent, 1) - 25);
    if (exponent == 31) expected = mantissa ? std::numeric_limits<float>::quiet_NaN() : kInfinity;
    if (bits & 0x8000) expected = -expected;
    const float got = half_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(expected) ? !std::isnan(got) : std::bit_cast<uint32_t>(got) != std::bit_cast<uint32_t>(expected)) {
      FAIL("half ", bits, ": expected ", expected, ", got ", got);
    }
  }
}

TEST_CASE("F32, F16 and BF16 rows") {
  CHECK(decode(DType::kF32, std::string("\0\0\x80\x3f\0\0\0\xc0", 8)) == std::vector<float>{1.0f, -2.0f});
  CHECK(decode(DType::kF16, f16(0x3c00) + f16(0xc000) + f16(0x0001) + f16(0x7c00)) ==
        std::vector<float>{1.0f, -2.0f, 0x1p-24f, kInfinity});
  CHECK(decode(DType::kBF16, f16(0x3f80) + f16(0xc000) + f16(0xff80)) == std::vector<float>{1.0f, -2.0f, -kInfinity});
}

TEST_CASE("a Q8_0 block is a scale times signed bytes") {
  std::string block = f16(0x3800);  // 0.5
  for (int j = 0; j < 32; ++j) block += static_cast<char>(8 * j - 128);
  const std::vector<float> out = decode(DType::kQ8_0, block + block);
  REQUIRE(out.size() == 64);
  for (int j = 0; j < 64; ++j) CHECK(out[j] == 0.5f * static_cast<float>(8 * (j % 32) - 128));
}

TEST_CASE("a Q4_0 block has elements 0 to 15 in the low and 16 to 31 in the high nibbles") {
  std::string block = f16(0x4000);  // 2
  for (int j = 0; j < 16; ++j) block += static_cast<char>((15 - j) << 4 | j);
  const std::vector<float> out = decode(DType::kQ4_0, block);
  for (int j = 0; j < 16; ++j) {
    CHECK(out[j] == 2.0f * static_cast<float>(j - 8));
    CHECK(out[j + 16] == 2.0f * static_cast<float>(7 - j));
  }
}

TEST_CASE("a Q4_K block has eight 6-bit scales and minimums") {
  const int scales[8] = {1, 2, 3, 63, 5, 22, 39, 60};
  const int mins[8] = {0, 1, 33, 62, 17, 6, 63, 40};
  std::string block = f16(0x3400) + f16(0x3800);  // d = 0.25, dmin = 0.5
  for (int j = 0; j < 4; ++j) block += static_cast<char>(scales[j] | (scales[j + 4] >> 4) << 6);
  for (int j = 0; j < 4; ++j) block += static_cast<char>(mins[j] | (mins[j + 4] >> 4) << 6);
  for (int j = 4; j < 8; ++j) block += static_cast<char>((scales[j] & 15) | (mins[j] & 15) << 4);
  const auto quant = [](int j, int l) { return (7 * j + l) & 15; };  // neighbouring elements differ
  for (int chunk = 0; chunk < 4; ++chunk) {
    for (int l = 0; l < 32; ++l) block += static_cast<char>(quant(2 * chunk, l) | quant(2 * chunk + 1, l) << 4);
  }
  const std::vector<float> out = decode(DType::kQ4_K, block);
  for (int j = 0; j < 8; ++j) {
    for (int l = 0; l < 32; ++l) {
      CAPTURE(j);
      CAPTURE(l);
      CHECK(out[32 * j + l] ==
            0.25f * static_cast<float>(scales[j] * quant(j, l)) - 0.5f * static_cast<float>(mins[j]));
    }
  }
}

TEST_CASE("Q1_0 and Q2_0 blocks count elements from the lowest bits") {
  const std::string two = f16(0x4000);
  const std::vector<float> bits = decode(DType::kQ1_0, two + "\x05" + std::string(14, '\0') + "\x80");
  REQUIRE(bits.size() == 128);
  for (int i = 0; i < 128; ++i) CHECK(bits[i] == (i == 0 || i == 2 || i == 127 ? 2.0f : -2.0f));

  const std::vector<float> crumbs = decode(DType::kQ2_0, two + std::string(15, '\xe4') + "\x1b");  // 0 1 2 3, 3 2 1 0
  REQUIRE(crumbs.size() == 64);
  for (int i = 0; i < 64; ++i) CHECK(crumbs[i] == 2.0f * static_cast<float>((i < 60 ? i % 4 : 3 - i % 4) - 1));
}

// Five digits t0..t4 in base 3 as TQ1_0 stores them: the fraction 0.t0 t1 t2 t3 t4 in 256ths, rounded up. For example,
// the digits 1 0 0 0 0 are 1/3, which is stored as 86.
char ternary(const std::vector<int>& digits) {
  int value = 0;
  for (int n = 0; n < 5; ++n) value = 3 * value + (n < static_cast<int>(digits.size()) ? digits[n] : 0);
  return static_cast<char>((value * 256 + 242) / 243);
}

TEST_CASE("a TQ1_0 block has 32 x 5, 16 x 5 and 4 x 4 ternary digits") {
  const auto digit = [](int i) { return (i / 3 + i / 16 + i) % 3; };  // neighbouring elements differ
  std::string block;
  for (int m = 0; m < 32; ++m) {
    block += ternary({digit(m), digit(32 + m), digit(64 + m), digit(96 + m), digit(128 + m)});
  }
  for (int m = 160; m < 176; ++m) {
    block += ternary({digit(m), digit(16 + m), digit(32 + m), digit(48 + m), digit(64 + m)});
  }
  for (int m = 240; m < 244; ++m) block += ternary({digit(m), digit(4 + m), digit(8 + m), digit(12 + m)});
  const std::vector<float> out = decode(DType::kTQ1_0, block + f16(0x3800));
  REQUIRE(out.size() == 256);
  for (int i = 0; i < 256; ++i) {
    CAPTURE(i);
    CHECK(out[i] == 0.5f * static_cast<float>(digit(i) - 1));
  }
}

TEST_CASE("a TQ2_0 block has two chunks of 4 x 32 elements") {
  const auto quant = [](int i) { return (i / 32 + i) & 3; };
  std::string block;
  for (int first : {0, 128}) {
    for (int m = first; m < first + 32; ++m) {
      block += static_cast<char>(quant(m) | quant(m + 32) << 2 | quant(m + 64) << 4 | quant(m + 96) << 6);
    }
  }
  const std::vector<float> out = decode(DType::kTQ2_0, block + f16(0x3800));
  for (int i = 0; i < 256; ++i) CHECK(out[i] == 0.5f * static_cast<float>(quant(i) - 1));
}

TEST_CASE("an IQ2_XXS sub-block has four grid points, 28 bits of signs and a scale") {
  CHECK(unpack_even_signs(0) == 0);
  CHECK(unpack_even_signs(1) == 0x81);
  CHECK(unpack_even_signs(0x7f) == 0xff);
  CHECK(unpack_even_signs(0x41) == 0x41);
  // The sub-block has point 0 (eight times 8) and point 1 (43, then seven times 8). The first point has signs 1:
  // elements 0 and 7 are negative. The scale is 3.5.
  const std::string sub_block("\0\1\0\0\x01\0\0\x30", 8);
  const std::vector<float> out = decode(DType::kIQ2_XXS, f16(0x4400) + sub_block + std::string(56, '\0'));
  REQUIRE(out.size() == 256);
  for (int j = 0; j < 8; ++j) CHECK(out[j] == 3.5f * (j == 0 || j == 7 ? -8.0f : 8.0f));
  for (int j = 0; j < 8; ++j) CHECK(out[8 + j] == 3.5f * (j == 0 ? 43.0f : 8.0f));
  for (int i = 32; i < 256; ++i) CHECK(out[i] == 0.5f * 8.0f);
}

TEST_CASE("an IQ1_M block has its scale in four pieces") {
  // d = 0x3c12, with its lowest nibble first. The scales of the sub-blocks are 0 except the last one, which is 7. Every
  // point is 0, which means eight times -1.
  const std::string scales("\x00\x20\x00\x10\x00\xc0\x00\x3e", 8);
  const std::string qh = std::string(15, '\0') + "\x80";  // the last point is shifted down
  const std::vector<float> out = decode(DType::kIQ1_M, std::string(32, '\0') + qh + scales);
  const float d = half_to_float(0x3c12);
  for (int i = 0; i < 240; ++i) CHECK(out[i] == d * -0.875f);
  for (int i = 240; i < 248; ++i) CHECK(out[i] == 15.0f * d * -0.875f);
  for (int i = 248; i < 256; ++i) CHECK(out[i] == 15.0f * d * -1.125f);
}

TEST_CASE("a row of no elements touches nothing") {
  for (const DTypeInfo& info : all_dtypes()) {
    if (const DecodeRow decode_row = find_decoder(info.dtype)) decode_row(nullptr, 0, nullptr);
  }
}

}  // namespace
}  // namespace gesso::quant
