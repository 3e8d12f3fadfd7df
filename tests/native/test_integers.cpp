// Levels, scales and minimums, combined again, are the values that the decoder gives. Every row ends where its memory
// ends.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "quant/formats.h"
#include "quant/integers.h"

namespace gesso::quant {
namespace {

std::vector<float> put_together(const Integers& integers, const std::vector<std::byte>& row, int64_t num_elements) {
  std::vector<uint8_t> levels(num_elements);
  std::vector<float> scales(num_elements / integers.group), mins(integers.has_min ? scales.size() : 0), out;
  integers.unpack(row.data(), num_elements, levels.data(), scales.data(), mins.data());
  for (int64_t i = 0; i < num_elements; ++i) {
    const int64_t group = i / integers.group;
    const float value = scales[group] * static_cast<float>(levels[i] - integers.offset);
    out.push_back(integers.has_min ? value - mins[group] : value);
  }
  return out;
}

TEST_CASE("rows of integers are what their decoder gives") {
  std::mt19937 engine(3);
  int num_types = 0;
  for (int id = 0; id < 64; ++id) {
    const Integers* integers = find_integers(static_cast<DType>(id));
    if (!integers) continue;
    ++num_types;
    const DTypeInfo& info = dtype_info(integers->dtype);
    for (const int64_t num_blocks : {0, 1, 2, 5, 31, 32, 33, 64, 70}) {
      std::vector<std::byte> row(num_blocks * info.block_bytes);
      for (std::byte& byte : row) byte = static_cast<std::byte>(engine());
      std::vector<float> expected(num_blocks * info.block_elements);
      find_decoder(integers->dtype)(row.data(), static_cast<int64_t>(expected.size()), expected.data());
      const std::vector<float> got = put_together(*integers, row, static_cast<int64_t>(expected.size()));
      const auto same = [](float a, float b) {
        return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(a)) == 0;
      };
      CAPTURE(info.name);
      CHECK(std::equal(got.begin(), got.end(), expected.begin(), expected.end(), same));
    }
  }
  CHECK(num_types == 14);
}

}  // namespace
}  // namespace gesso::quant
