// The emulated csrc/cuda/device/mma_fp4.h, which describes the fragments.
//
// One register of all 32 lanes, in the order of the lanes, is a matrix of 8 rows by 32 values of 4 bits.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {
namespace emulated {

struct MmaFp4 {
  uint32_t a[4][kWarpSize];
  uint32_t b[2][kWarpSize];
  uint32_t scales_a[kWarpSize], scales_b[kWarpSize];
  float d[2][kWarpSize][2];  // [16, 8]
  emulator::Place place;
};

GESSO_EMULATOR_EXPORT void compute_mma_nvfp4(void* operands);
GESSO_EMULATOR_EXPORT void compute_mma_mxfp4(void* operands);

inline constexpr emulator::Instruction kMmaNvfp4 = {"mma_nvfp4", emulator::Scope::kWarp, compute_mma_nvfp4};
inline constexpr emulator::Instruction kMmaMxfp4 = {"mma_mxfp4", emulator::Scope::kWarp, compute_mma_mxfp4};

inline void multiply_fp4(const emulator::Instruction& instruction, float (&d)[4], const uint32_t (&a)[4],
                         const uint32_t (&b)[2], uint32_t scales_a, uint32_t scales_b, const emulator::Place& place) {
  MmaFp4& all = emulator::operands<MmaFp4>();
  const int lane = emulator::lane();
  for (int i = 0; i < 4; ++i) all.a[i][lane] = a[i];
  for (int i = 0; i < 2; ++i) all.b[i][lane] = b[i];
  for (int i = 0; i < 4; ++i) all.d[i / 2][lane][i % 2] = d[i];
  all.scales_a[lane] = scales_a;
  all.scales_b[lane] = scales_b;
  all.place = place;
  emulator::meet(instruction, place);
  for (int i = 0; i < 4; ++i) d[i] = all.d[i / 2][lane][i % 2];
}

}  // namespace emulated

inline void mma_nvfp4(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                      uint32_t scales_b, const emulator::Place& place = emulator::Place::current()) {
  emulated::multiply_fp4(emulated::kMmaNvfp4, d, a, b, scales_a, scales_b, place);
}

inline void mma_mxfp4(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                      uint32_t scales_b, const emulator::Place& place = emulator::Place::current()) {
  emulated::multiply_fp4(emulated::kMmaMxfp4, d, a, b, scales_a, scales_b, place);
}

}  // namespace gesso::cuda
