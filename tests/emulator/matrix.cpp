// The matrix instructions of a warp, computed for all lanes at once. include/cuda/device/mma.h says how the registers
// of all lanes are matrices.
//
// Products of bf16 are exact in float32. They are added one by one, in the order of rising k, to what was in d, and
// each sum is rounded to float32: c = ((d + p0) + p1) + ... The device adds the products in groups and rounds
// differently, as truncated_sum.h says. A test must pass with either.
#include <algorithm>
#include <bit>
#include <cstring>

#include "cuda/device/mma.h"
#include "settings.h"
#include "truncated_sum.h"

#if defined(__x86_64__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_TARGETS __attribute__((target_clones("arch=haswell", "default")))
#else
#define GESSO_TARGETS
#endif

namespace gesso::cuda::emulated {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kHalf = 8;        // rows, or 16-bit columns, that one register of all lanes holds
constexpr int kRowsAtOnce = 8;  // as many rows of sums as the host's registers can hold

using Columns = float __attribute__((vector_size(kColumns * sizeof(float))));

// d[row][n] += a[row][k] * b[k][n], for k in rising order.
template <int kDepth>
inline __attribute__((always_inline)) void add_product(const float (&a)[kRows][kDepth], const Columns (&b)[kDepth],
                                                       Columns (&d)[kRows]) {
  for (int first = 0; first < kRows; first += kRowsAtOnce) {
    Columns sums[kRowsAtOnce];
    for (int row = 0; row < kRowsAtOnce; ++row) sums[row] = d[first + row];
    for (int k = 0; k < kDepth; ++k) {
      for (int row = 0; row < kRowsAtOnce; ++row) sums[row] += a[first + row][k] * b[k];
    }
    for (int row = 0; row < kRowsAtOnce; ++row) d[first + row] = sums[row];
  }
}

// a[part] holds 8 rows from row 8 (part % 2) on and 8 values of k from 8 (part / 2) on. b[half] is [n][k] for 8 values
// of k from 8 half on.
GESSO_TARGETS void product_bf16(const uint16_t (&a)[4][kHalf][kHalf], const uint16_t (&b)[2][kColumns][kHalf],
                                float (&d)[kRows][kColumns]) {
  constexpr int kDepth = 2 * kHalf;
  uint32_t bits[kRows][kDepth];
  for (int part = 0; part < 4; ++part) {
    for (int row = 0; row < kHalf; ++row) {
      for (int k = 0; k < kHalf; ++k) {
        bits[part % 2 * kHalf + row][part / 2 * kHalf + k] = static_cast<uint32_t>(a[part][row][k]) << 16;
      }
    }
  }
  uint32_t column_bits[kDepth][kColumns];
  for (int half = 0; half < 2; ++half) {
    for (int k = 0; k < kHalf; ++k) {
      for (int n = 0; n < kColumns; ++n) column_bits[half * kHalf + k][n] = static_cast<uint32_t>(b[half][n][k]) << 16;
    }
  }
  float rows[kRows][kDepth];
  Columns columns[kDepth], sums[kRows];
  std::memcpy(rows, bits, sizeof(rows));
  std::memcpy(columns, column_bits, sizeof(columns));
  std::memcpy(sums, d, sizeof(sums));
  add_product(rows, columns, sums);
  std::memcpy(d, sums, sizeof(sums));
}

// The same with truncated sums.
void truncated_product_bf16(const uint16_t (&a)[4][kHalf][kHalf], const uint16_t (&b)[2][kColumns][kHalf],
                            float (&d)[kRows][kColumns]) {
  const emulator::SumRule rule = emulator::sum_rule(emulator::kernel_architecture());
  const auto value = [](uint16_t bits) { return static_cast<double>(std::bit_cast<float>(uint32_t{bits} << 16)); };
  for (int row = 0; row < kRows; ++row) {
    for (int n = 0; n < kColumns; ++n) {
      double products[2 * kHalf];
      for (int k = 0; k < 2 * kHalf; ++k) {
        products[k] =
            value(a[row / kHalf + 2 * (k / kHalf)][row % kHalf][k % kHalf]) * value(b[k / kHalf][n][k % kHalf]);
      }
      for (size_t first = 0; first < 2 * kHalf; first += rule.num_at_once) {
        d[row][n] = emulator::truncated_sum(d[row][n], products + first, rule.num_at_once, rule.num_bits);
      }
    }
  }
}

// A sum of up to 32 products of int8 is exact in float32, too.
template <int kDepth>
inline __attribute__((always_inline)) void add_product_s8(const int8_t (*a)[kHalf][16], const int8_t (*b)[kColumns][16],
                                                          int32_t (&d)[kRows][kColumns]) {
  float rows[kRows][kDepth];
  Columns columns[kDepth], sums[kRows] = {};
  for (int part = 0; part < kDepth / 8; ++part) {
    for (int row = 0; row < kHalf; ++row) {
      for (int k = 0; k < 16; ++k) rows[part % 2 * kHalf + row][part / 2 * 16 + k] = a[part][row][k];
    }
  }
  for (int half = 0; half < kDepth / 16; ++half) {
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < kColumns; ++n) columns[half * 16 + k][n] = b[half][n][k];
    }
  }
  add_product(rows, columns, sums);
  for (int row = 0; row < kRows; ++row) {
    for (int n = 0; n < kColumns; ++n) d[row][n] += static_cast<int32_t>(sums[row][n]);
  }
}

using Rows8 = const int8_t[kHalf][16];

GESSO_TARGETS void product_s8(Rows8* a, Rows8* b, int32_t (&d)[kRows][kColumns]) { add_product_s8<32>(a, b, d); }
GESSO_TARGETS void product_s8_k16(Rows8* a, Rows8* b, int32_t (&d)[kRows][kColumns]) { add_product_s8<16>(a, b, d); }

template <typename Target, typename Source>
Target& as(Source& source) {
  static_assert(sizeof(Target) == sizeof(Source));
  return reinterpret_cast<Target&>(source);
}

void load_matrices(LoadMatrix& all, int count, bool is_transposed) {
  for (int matrix = 0; matrix < count; ++matrix) {
    uint16_t rows[kHalf][kHalf];
    for (int row = 0; row < kHalf; ++row) std::memcpy(rows[row], all.row[matrix * kHalf + row], sizeof(rows[row]));
    uint16_t columns[kHalf][kHalf];
    for (int row = 0; row < kHalf; ++row) {
      for (int column = 0; column < kHalf; ++column) columns[column][row] = rows[row][column];
    }
    std::memcpy(all.r[matrix], is_transposed ? columns : rows, sizeof(rows));
  }
}

}  // namespace

void compute_mma_bf16(void* operands) {
  MmaBf16& all = *static_cast<MmaBf16*>(operands);
  const auto product = emulator::settings().truncates_sums ? truncated_product_bf16 : product_bf16;
  product(as<const uint16_t[4][kHalf][kHalf]>(all.a), as<const uint16_t[2][kColumns][kHalf]>(all.b),
          as<float[kRows][kColumns]>(all.d));
}

void compute_mma_s8(void* operands) {
  MmaS8& all = *static_cast<MmaS8*>(operands);
  product_s8(as<Rows8[4]>(all.a), as<Rows8[2]>(all.b), as<int32_t[kRows][kColumns]>(all.d));
}

void compute_mma_s8_k16(void* operands) {
  MmaS8& all = *static_cast<MmaS8*>(operands);
  product_s8_k16(as<Rows8[4]>(all.a), as<Rows8[2]>(all.b), as<int32_t[kRows][kColumns]>(all.d));
}

void compute_load_matrix_x4(void* operands) { load_matrices(*static_cast<LoadMatrix*>(operands), 4, false); }
void compute_load_matrix_x2(void* operands) { load_matrices(*static_cast<LoadMatrix*>(operands), 2, false); }
void compute_load_matrix_x4_transposed(void* operands) { load_matrices(*static_cast<LoadMatrix*>(operands), 4, true); }

}  // namespace gesso::cuda::emulated
