#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "quant/bf16.h"
#include "quant/f16.h"
#include "quant/f32.h"
#include "quant/formats.h"
#include "quant/q4_0.h"
#include "quant/q4_k.h"
#include "quant/q8_0.h"

namespace gesso::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Decodes through the list, from an odd address and a heap block of exactly the row's size.
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

TEST_CASE("every block format has the size that ggml gives it and is in the list") {
  check_sizes<BlockF32>();
  check_sizes<BlockF16>();
  check_sizes<BlockBF16>();
  check_sizes<BlockQ8_0>();
  check_sizes<BlockQ4_0>();
  check_sizes<BlockQ4_K>();
  CHECK_FALSE(static_cast<bool>(find_decoder(DType::kIQ1_M)));
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
  const auto quant = [](int j, int l) { return (7 * j + l) & 15; };  // any pattern that tells elements apart
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

TEST_CASE("a row of no elements touches nothing") {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
    find_decoder(dtype)(nullptr, 0, nullptr);
  }
}

}  // namespace
}  // namespace gesso::quant
