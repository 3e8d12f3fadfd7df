// Every kernel that this machine can run sums in the same order. Within 16 columns it makes one fused multiply-add
// after the other. Then it adds the sums of these runs of 16, one after the other.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/buffer.h"
#include "cpu/kernels/fused_kernels.h"
#include "cpu/products/matmul_block.h"

namespace gesso::cpu {
namespace {

constexpr int64_t kStride = 20;

struct Operands {
  std::mt19937 engine{11};
  int64_t columns;
  Buffer<float> weights;
  std::vector<float> x;
  std::vector<int32_t> rows;

  Operands(int64_t columns, int num_rows)
      : columns(columns), weights(columns * kFusedOutputs), x((num_rows + 1) * columns) {
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < weights.size(); ++i) weights[i] = normal(engine);
    for (float& value : x) value = normal(engine);
    for (int i = 0; i < num_rows; ++i) rows.push_back(std::uniform_int_distribution<int>(0, num_rows)(engine));
  }

  float expected(int64_t row, int64_t n) const {
    float total = 0;
    for (int64_t begin = 0; begin < columns; begin += 16) {
      float sum = 0;
      for (int64_t k = begin; k < std::min<int64_t>(begin + 16, columns); ++k) {
        sum = std::fma(weights[k * kFusedOutputs + n], x[row * columns + k], sum);
      }
      total += sum;
    }
    return total * 0.75f;
  }

  std::vector<float> expected(int64_t num_outputs) const {
    std::vector<float> out(rows.size() * kStride, -1.0f);
    for (size_t i = 0; i < rows.size(); ++i) {
      for (int64_t n = 0; n < num_outputs; ++n) out[i * kStride + n] = expected(rows[i], n);
    }
    return out;
  }

  std::vector<float> product(FusedMultiply multiply, int64_t num_outputs) const {
    std::vector<float> out(rows.size() * kStride, -1.0f);
    const auto num_rows = static_cast<int64_t>(rows.size());
    multiply({columns, num_outputs, weights.data()}, ConstMatrix(x.data(), num_rows + 1, columns), rows.data(),
             num_rows, 0.75f, Matrix(out.data(), num_rows, num_outputs, kStride));
    return out;
  }
};

TEST_CASE("fused kernels of all instruction sets multiply alike") {
  for (const auto find : {fused_multiply_avx512, fused_multiply_avx2, fused_multiply_neon}) {
    const FusedMultiply multiply = find();
    if (!multiply) continue;
    for (const int64_t columns : {0, 1, 15, 16, 17, 50, 300}) {
      for (const int num_rows : {0, 1, 2, 5, 6, 7, 11, 12, 13, 25}) {
        const Operands operands(columns, num_rows);
        for (const int64_t num_outputs : {1, 7, 8, 9, 15, 16}) {
          const std::vector<float> got = operands.product(multiply, num_outputs);
          const std::vector<float> expected = operands.expected(num_outputs);
          CHECK((got.empty() || std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0));
        }
      }
    }
  }
}

TEST_CASE("products are fused only where activations need not be exact") {
  Context context;
  CHECK((matmul_block_for(context) == matmul_block));
  context.activations = ActivationType::kInt8;
  CHECK((matmul_block_for(context) != matmul_block) == (fused_multiply() != nullptr));
}

}  // namespace
}  // namespace gesso::cpu
