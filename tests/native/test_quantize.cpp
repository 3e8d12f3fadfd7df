// The public calls with extreme values and with arbitrary bytes, for every type. Sanitizers run the encoders and
// decoders through this file. tests/cpu/test_quantize.py checks how good the encoders are.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "gesso/quantize.h"

namespace gesso {
namespace {

constexpr int64_t kRow = 256;  // a whole number of blocks of every type
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Floats = std::vector<float>;
using Bytes = std::vector<std::byte>;

Bytes quantized(const std::string& type, const Floats& values, const QuantizeOptions& options = {}) {
  for (const TensorType& known : tensor_types()) {
    if (known.name != type) continue;
    Bytes out(values.size() / known.block_elements * known.block_bytes);
    quantize("F32", std::as_bytes(std::span(values)), type, kRow, out, options);
    return out;
  }
  FAIL("no type ", type);
  return {};
}

Floats dequantized(const TensorType& type, const Bytes& data) {
  Floats out(data.size() / type.block_bytes * type.block_elements);
  dequantize(type.name, data, out);
  return out;
}

template <typename Value>
void append_row(Floats& rows, Value value) {
  for (int i = 0; i < kRow; ++i) rows.push_back(static_cast<float>(value(i)));
}

// Whole rows of extreme values whose magnitudes are at most `largest`.
Floats hostile_rows(float largest) {
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  Floats rows;
  append_row(rows, [](int) { return 0.0f; });
  append_row(rows, [](int) { return -0.0f; });
  append_row(rows, [](int i) { return i * std::numeric_limits<float>::denorm_min(); });
  append_row(rows, [](int i) { return i == 77 ? std::numeric_limits<float>::denorm_min() : 0.0f; });
  append_row(rows, [](int i) { return i % 2 ? 0x1p-126f : -0x1p-127f; });
  append_row(rows, [=](int) { return largest; });
  append_row(rows, [=](int) { return -largest; });
  append_row(rows, [=](int i) { return i % 2 ? largest : -largest; });
  append_row(rows, [=](int i) { return i == 200 ? -largest : 0.0f; });
  append_row(rows, [=](int i) { return i % 32 == 31 ? largest : 1e-30f; });
  append_row(rows, [](int) { return 0.3f; });
  append_row(rows, [](int i) { return i % 2 ? -0.7f : 0.7f; });
  append_row(rows, [](int i) { return static_cast<float>(i - 128); });
  append_row(rows, [=](int i) { return std::min(std::ldexp(1.0f, i - 140), largest); });
  for (const float scale : {1e-44f, 1e-38f, 1e-8f, 1.0f, 1e4f})
    append_row(rows, [&](int) { return scale * normal(random); });
  append_row(rows, [&](int i) { return i == 40 ? largest : normal(random); });
  return rows;
}

// The importance of each column, several cases. The empty case means that all columns count the same.
std::vector<Floats> hostile_importance() {
  std::vector<Floats> all = {{}, Floats(kRow, 0.0f), Floats(kRow, 1e30f), Floats(kRow, 1e-45f), Floats(kRow, kLargest)};
  all.emplace_back(kRow, 0.0f).at(3) = 1e30f;
  all.emplace_back(kRow, 1e30f).at(3) = 0.0f;
  append_row(all.emplace_back(), [](int i) { return i % 3 == 0 ? 0.0f : std::ldexp(1.0f, i - 128); });
  return all;
}

float largest_of(const std::string& type) { return type == "F16" ? 65504.0f : type == "BF16" ? 0x1.fep127f : kLargest; }

TEST_CASE("finite values are stored as finite values, whatever they are") {
  int num_types = 0;
  for (const TensorType& type : tensor_types()) {
    if (!type.can_write) continue;
    CAPTURE(type.name);
    ++num_types;
    const Floats rows = hostile_rows(largest_of(type.name));
    for (const Floats& importance : hostile_importance()) {
      for (const float stored : dequantized(type, quantized(type.name, rows, {.importance = importance}))) {
        REQUIRE(std::isfinite(stored));
      }
    }
    for (const float stored : dequantized(type, quantized(type.name, Floats(kRow, 0.0f)))) REQUIRE(stored == 0.0f);
  }
  CHECK(num_types == 17);
}

TEST_CASE("a constant row is stored within a step of its value") {
  for (const TensorType& type : tensor_types()) {
    if (!type.can_write) continue;
    CAPTURE(type.name);
    for (const float value : {0.3f, -0.3f, 300.0f}) {
      for (const float stored : dequantized(type, quantized(type.name, Floats(kRow, value)))) {
        REQUIRE(std::fabs(stored - value) <= std::fabs(value) / 4);
      }
    }
  }
}

TEST_CASE("any bytes decode, and what they decode to can be stored if it is finite") {
  std::mt19937 random(1);
  for (const TensorType& type : tensor_types()) {
    if (!type.can_read) continue;
    CAPTURE(type.name);
    Bytes data(8 * kRow / type.block_elements * type.block_bytes);
    for (const unsigned fill : {0x00u, 0xffu, 0x80u, 0x7fu, 0x100u}) {
      for (std::byte& byte : data) byte = static_cast<std::byte>(fill < 0x100 ? fill : random());
      Floats values = dequantized(type, data);
      REQUIRE(values.size() == 8 * kRow);
      for (float& value : values) value = std::isfinite(value) ? value : 0.0f;
      CHECK(quantized("Q4_K", values).size() == 8 * 144);
    }
  }
}

TEST_CASE("no rows are no bytes") {
  for (const TensorType& type : tensor_types()) {
    if (type.can_write) CHECK(quantized(type.name, {}).empty());
    if (type.can_read) CHECK(dequantized(type, {}).empty());
  }
  Bytes none;
  CHECK_NOTHROW(quantize("F32", none, "F32", int64_t{1} << 62, none));  // the product of the sizes must not overflow
}

TEST_CASE("F32, F16 and BF16 keep infinities and NaN, blocks refuse them") {
  for (const TensorType& type : tensor_types()) {
    if (!type.can_write) continue;
    CAPTURE(type.name);
    for (const float special : {kInfinity, -kInfinity, kNan}) {
      Floats row(kRow, 1.0f);
      row[100] = special;
      if (type.block_elements > 1) {
        CHECK_THROWS_WITH_AS(quantized(type.name, row), doctest::Contains("quantize: element 100 is "), ArgumentError);
        continue;
      }
      const float stored = dequantized(type, quantized(type.name, row))[100];
      CHECK((std::isnan(special) ? std::isnan(stored) : stored == special));
    }
  }
}

TEST_CASE("a finite value does not become an infinity") {
  CHECK_NOTHROW(quantized("F16", Floats(kRow, 65519.0f)));
  CHECK_THROWS_WITH_AS(quantized("F16", Floats(kRow, -65520.0f)),
                       "quantize: element 0 is -65520, which F16 cannot hold", ArgumentError);
  CHECK_NOTHROW(quantized("BF16", Floats(kRow, std::nextafter(0x1.ffp127f, 0.0f))));
  CHECK_THROWS_WITH_AS(quantized("BF16", Floats(kRow, kLargest)),
                       "quantize: element 0 is 3.40282e+38, which BF16 cannot hold", ArgumentError);
  for (const char* type : {"F32", "BF16", "Q8_0"}) {
    CHECK_THROWS_WITH_AS(quantized(type, Floats(kRow, 1e30f), {.multiplier = -1e9f}),
                         "quantize: element 0 is 1e+30, and times -1e+09 beyond float32", ArgumentError);
  }
  CHECK_NOTHROW(quantized("F32", Floats(kRow, kInfinity), {.multiplier = 2.0f}));
}

TEST_CASE("a multiplier of 0 leaves zeros") {
  for (const TensorType& type : tensor_types()) {
    if (!type.can_write) continue;
    for (const float stored : dequantized(type, quantized(type.name, hostile_rows(kLargest), {.multiplier = 0.0f}))) {
      REQUIRE(stored == 0.0f);
    }
  }
}

TEST_CASE("sizes that do not fit are refused") {
  Bytes data(34), out(18);
  Floats values(32);
  const auto call = [&](size_t data_bytes, int64_t row_elements, size_t out_bytes) {
    quantize("Q8_0", std::span(data).first(data_bytes), "Q4_0", row_elements, std::span(out).first(out_bytes));
  };
  CHECK_NOTHROW(call(34, 32, 18));
  CHECK_THROWS_WITH_AS(call(33, 32, 18), "quantize: 33 bytes are no whole number of Q8_0 blocks of 34", ArgumentError);
  for (const int64_t row_elements : {int64_t{0}, int64_t{-32}, int64_t{64}}) {
    CHECK_THROWS_WITH_AS(call(34, row_elements, 18), doctest::Contains("32 elements are no whole rows of "),
                         ArgumentError);
  }
  CHECK_THROWS_WITH_AS(call(34, 16, 18), "quantize: rows of 16 are no whole number of Q8_0 blocks of 32",
                       ArgumentError);
  CHECK_THROWS_WITH_AS(call(34, 32, 17), "quantize: expected 18 bytes of out, got 17", ArgumentError);
  CHECK_THROWS_WITH_AS(dequantize("Q8_0", data, std::span(values).first(31)),
                       "dequantize: 34 bytes of Q8_0 are 32 elements, out has 31", ArgumentError);
  CHECK_THROWS_WITH_AS(dequantize("Q8_0", std::span(data).first(1), values),
                       "dequantize: 1 bytes are no whole number of Q8_0 blocks of 34", ArgumentError);
  CHECK_THROWS_WITH_AS(dequantize("I8", data, values),
                       doctest::Contains("dequantize: cannot read type I8; supported: F32"), ArgumentError);
}

TEST_CASE("options out of range are refused") {
  const Floats row(kRow, 1.0f);
  for (const float weight : {-1.0f, kInfinity, kNan}) {
    CHECK_THROWS_WITH_AS(quantized("Q8_0", row, {.importance = Floats(kRow, weight)}),
                         doctest::Contains("importance: expected finite values >= 0"), ArgumentError);
  }
  for (const float multiplier : {kInfinity, kNan}) {
    CHECK_THROWS_WITH_AS(quantized("Q8_0", row, {.multiplier = multiplier}),
                         doctest::Contains("multiplier: expected a finite number"), ArgumentError);
  }
  CHECK_THROWS_AS(quantized("Q8_0", row, {.num_threads = -1}), ArgumentError);
}

}  // namespace
}  // namespace gesso
