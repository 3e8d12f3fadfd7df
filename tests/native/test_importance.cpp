#include <doctest/doctest.h>

#include <vector>

#include "core/importance.h"
#include "gesso/error.h"

namespace gesso {
namespace {

const std::byte kWeights[2] = {};  // the addresses of these bytes identify two weights

ConstMatrix matrix(const std::vector<float>& values, int64_t columns) {
  return {values.data(), static_cast<int64_t>(values.size()) / columns, columns, columns};
}

TEST_CASE("squares of rows add up by weight and expert") {
  const std::vector<float> x = {1, -2, 3, 4, 0.5f, 0};  // [3, 2]
  const int32_t rows[] = {2, 0};
  Importance importance;
  importance.add(&kWeights[0], 0, 1, matrix(x, 2), nullptr, 3);
  importance.add(&kWeights[1], 2, 3, matrix(x, 2), rows, 2);
  importance.add(&kWeights[1], 0, 3, matrix(x, 2), nullptr, 1);
  importance.add(&kWeights[1], 1, 3, matrix(x, 2), nullptr, 0);
  REQUIRE(importance.entries().size() == 2);
  const Importance::Entry& plain = importance.entries().at(&kWeights[0]);
  CHECK(plain.counts == std::vector<int64_t>{3});
  CHECK(plain.sums == std::vector<double>{10.25, 20});
  const Importance::Entry& experts = importance.entries().at(&kWeights[1]);
  CHECK(experts.counts == std::vector<int64_t>{1, 0, 2});
  CHECK(experts.sums == std::vector<double>{1, 4, 0, 0, 1.25, 4});
}

TEST_CASE("weights that share data must have one shape") {
  const std::vector<float> x = {1, 2, 3, 4};
  Importance importance;
  importance.add(&kWeights[0], 0, 1, matrix(x, 2), nullptr, 2);
  CHECK_NOTHROW(importance.add(&kWeights[0], 0, 1, matrix(x, 2), nullptr, 2));
  CHECK_THROWS_AS(importance.add(&kWeights[0], 0, 1, matrix(x, 4), nullptr, 1), ArgumentError);
  CHECK_THROWS_AS(importance.add(&kWeights[0], 1, 2, matrix(x, 2), nullptr, 2), ArgumentError);
}

}  // namespace
}  // namespace gesso
