// The emulated csrc/cuda/device/mma.h, which describes the fragments.
//
// Take one register of all 32 lanes, in the order of the lanes. Each group of 4 lanes holds one row. So the 32
// registers are an 8 x 8 matrix of 16-bit values, or an 8 x 16 matrix of 8-bit values, row major. The arrays below are
// such matrices.
#pragma once

#include <algorithm>

#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"
#include "emulator/accesses.h"

namespace gesso::cuda {
namespace emulated {

struct MmaBf16 {
  uint32_t a[4][kWarpSize];
  uint32_t b[2][kWarpSize];  // b[i]: [8 columns, 8 rows]
  float d[2][kWarpSize][2];  // [16, 8]
};

struct MmaS8 {
  uint32_t a[4][kWarpSize];
  uint32_t b[2][kWarpSize];
  int32_t d[2][kWarpSize][2];
};

struct LoadMatrix {
  const void* row[kWarpSize];
  uint32_t r[4][kWarpSize];
};

void compute_mma_bf16(void* operands);
void compute_mma_s8(void* operands);
void compute_mma_s8_k16(void* operands);
void compute_load_matrix_x4(void* operands);
void compute_load_matrix_x2(void* operands);
void compute_load_matrix_x4_transposed(void* operands);

using emulator::Instruction;
using emulator::Scope;
inline constexpr Instruction kMmaBf16 = {"mma_bf16", Scope::kWarp, compute_mma_bf16};
inline constexpr Instruction kMmaS8 = {"mma_s8", Scope::kWarp, compute_mma_s8};
inline constexpr Instruction kMmaS8K16 = {"mma_s8_k16", Scope::kWarp, compute_mma_s8_k16};
inline constexpr Instruction kLoadMatrixX4 = {"load_matrix_x4", Scope::kWarp, compute_load_matrix_x4};
inline constexpr Instruction kLoadMatrixX2 = {"load_matrix_x2", Scope::kWarp, compute_load_matrix_x2};
inline constexpr Instruction kLoadMatrixX4Transposed = {"load_matrix_x4_transposed", Scope::kWarp,
                                                        compute_load_matrix_x4_transposed};

template <typename Operands, typename T, int kA, int kB>
inline void multiply(const Instruction& instruction, T (&d)[4], const uint32_t (&a)[kA], const uint32_t (&b)[kB],
                     const emulator::Place& place) {
  Operands& all = emulator::operands<Operands>();
  const int lane = emulator::lane();
  for (int i = 0; i < kA; ++i) all.a[i][lane] = a[i];
  for (int i = 0; i < kB; ++i) all.b[i][lane] = b[i];
  for (int i = 0; i < 4; ++i) all.d[i / 2][lane][i % 2] = d[i];
  emulator::meet(instruction, place);
  for (int i = 0; i < 4; ++i) d[i] = all.d[i / 2][lane][i % 2];
}

template <int kMatrices>
inline void load(const Instruction& instruction, uint32_t (&r)[kMatrices], const void* row,
                 const emulator::Place& place) {
  LoadMatrix& all = emulator::operands<LoadMatrix>();
  const int lane = emulator::lane();
  if (lane < 8 * kMatrices) {
    emulator::check_shared(row, 16, 16, place);
    emulator::begin_access(emulator::AccessKind::kLoad, row, 16, place);
  }
  all.row[lane] = row;
  emulator::meet(instruction, place);
  for (int i = 0; i < kMatrices; ++i) r[i] = all.r[i][lane];
}

}  // namespace emulated

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     const emulator::Place& place = emulator::Place::current()) {
  emulated::multiply<emulated::MmaBf16>(emulated::kMmaBf16, d, a, b, place);
}

inline void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const int32_t (&c)[4],
                   const emulator::Place& place = emulator::Place::current()) {
  std::ranges::copy(c, d);
  emulated::multiply<emulated::MmaS8>(emulated::kMmaS8, d, a, b, place);
}

inline void mma_s8_k16(int32_t (&d)[4], const uint32_t (&a)[2], uint32_t b, const int32_t (&c)[4],
                       const emulator::Place& place = emulator::Place::current()) {
  std::ranges::copy(c, d);
  const uint32_t one_register[1] = {b};
  emulated::multiply<emulated::MmaS8>(emulated::kMmaS8K16, d, a, one_register, place);
}

inline void load_matrix_x4(uint32_t (&r)[4], const void* shared_row,
                           const emulator::Place& place = emulator::Place::current()) {
  emulated::load(emulated::kLoadMatrixX4, r, shared_row, place);
}

inline void load_matrix_x2(uint32_t (&r)[2], const void* shared_row,
                           const emulator::Place& place = emulator::Place::current()) {
  emulated::load(emulated::kLoadMatrixX2, r, shared_row, place);
}

inline void load_matrix_x4_transposed(uint32_t (&r)[4], const void* shared_row,
                                      const emulator::Place& place = emulator::Place::current()) {
  emulated::load(emulated::kLoadMatrixX4Transposed, r, shared_row, place);
}

}  // namespace gesso::cuda
