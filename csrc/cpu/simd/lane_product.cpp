#include "cpu/simd/lane_product.h"

#include <cstring>
#include <vector>

#include "cpu/simd/lanes.h"

// CMakeLists.txt allows the compiler to make fused multiply-adds in this file (-ffp-contract).
namespace gesso::cpu {
namespace {

typedef float Vector4 __attribute__((vector_size(16)));
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector16 __attribute__((vector_size(64)));

template <typename Vector>
GESSO_INLINE Vector load_vector(const float* x) {
  Vector vector;
  std::memcpy(&vector, x, sizeof(vector));
  return vector;
}

// The registers hold kRows x kVectors sums, kVectors of b, and one element of a.
template <typename Vector, int kRows, int kVectors>
GESSO_INLINE void multiply(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth,
                           const float* factors, float* c) {
  constexpr int kWidth = sizeof(Vector) / sizeof(float), kLaneCount = kVectors * kWidth;
  const float* rows[kRows];
  for (int i = 0; i < kRows; ++i) rows[i] = a + i * a_row;
  Vector sums[kRows][kVectors] = {};
  for (int64_t k = 0, column = 0; k < depth; ++k, column += a_column, b += kLaneCount) {
    Vector lanes[kVectors];
    for (int v = 0; v < kVectors; ++v) lanes[v] = load_vector<Vector>(b + v * kWidth);
    for (int i = 0; i < kRows; ++i) {
      const float element = rows[i][column];
      for (int v = 0; v < kVectors; ++v) sums[i][v] += element * lanes[v];
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      float* target = c + i * kLaneCount + v * kWidth;
      const Vector before = load_vector<Vector>(target);
      const Vector sum =
          factors ? before * load_vector<Vector>(factors + v * kWidth) + sums[i][v] : before + sums[i][v];
      std::memcpy(target, &sum, sizeof(sum));
    }
  }
}

#if defined(__x86_64__)
// AVX-512 has 32 registers: 24 hold sums and 3 hold b.
__attribute__((target("avx512f"))) void multiply_avx512(const float* a, int64_t a_row, int64_t a_column, const float* b,
                                                        int64_t depth, const float* factors, float* c) {
  multiply<Vector16, 8, 3>(a, a_row, a_column, b, depth, factors, c);
}

// AVX2 has 16 registers: 12 hold sums and 2 hold b.
__attribute__((target("avx2,fma"))) void multiply_avx2(const float* a, int64_t a_row, int64_t a_column, const float* b,
                                                       int64_t depth, const float* factors, float* c) {
  multiply<Vector8, 6, 2>(a, a_row, a_column, b, depth, factors, c);
}
#endif

#if defined(__aarch64__)
constexpr int kPortableRows = 6;  // NEON has 32 registers: 24 hold sums and 4 hold b
#else
constexpr int kPortableRows = 2;
#endif

void multiply_portable(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth,
                       const float* factors, float* c) {
  multiply<Vector4, kPortableRows, 4>(a, a_row, a_column, b, depth, factors, c);
}

std::vector<LaneProduct> find_products() {
  std::vector<LaneProduct> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) found.push_back({"avx512", 8, 48, multiply_avx512});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back({"avx2", 6, 16, multiply_avx2});
#endif
  found.push_back({"portable", kPortableRows, 16, multiply_portable});
  return found;
}

}  // namespace

std::span<const LaneProduct> lane_products() {
  // Never destroyed, since another thread may still compute while the process ends.
  static const auto& products = *new std::vector<LaneProduct>(find_products());
  return products;
}

}  // namespace gesso::cpu
