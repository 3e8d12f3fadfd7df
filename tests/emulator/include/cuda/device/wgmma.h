// The emulated csrc/cuda/device/wgmma.h.
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"
#include "emulator/wgmma.h"

namespace gesso::cuda {

inline void fence_async_proxy() { emulator::fence_async_proxy(); }

inline void wgmma_fence(const emulator::Place& place = emulator::Place::current()) { emulator::wgmma_fence(place); }

inline void wgmma_commit(const emulator::Place& place = emulator::Place::current()) { emulator::wgmma_commit(place); }

template <int kInFlight>
inline void wgmma_wait(const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_wait(kInFlight, place);
}

template <int kInFlight = 0, int kCount>
inline void wgmma_finish(float (&)[kCount], const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_wait(kInFlight, place);
}

struct WgmmaOperand {
  uint64_t descriptor;
};

inline WgmmaOperand wgmma_operand(const void* tile, int k) {
  const uint64_t address = shared_address(tile) + 32 * static_cast<uint64_t>(k);
  return {(address & 0x3ffff) >> 4 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62};
}

inline WgmmaOperand wgmma_transposed(const void* tile, int tile_bytes) {
  return {wgmma_operand(tile, 0).descriptor | static_cast<uint64_t>(tile_bytes / 16) << 16};
}

inline WgmmaOperand further_on(WgmmaOperand operand, int bytes) {
  return {operand.descriptor + static_cast<uint64_t>(bytes) / 16};
}

inline WgmmaOperand of_warp(WgmmaOperand operand) { return operand; }

// The device has N = 256 alone. Tests of the emulator also use 64 and 128, for they need fewer sums.
inline void wgmma_bf16(float (&d)[32], WgmmaOperand a, WgmmaOperand b, bool accumulate,
                       const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_bf16(d, 64, a.descriptor, b.descriptor, accumulate, place);
}

inline void wgmma_bf16(float (&d)[64], WgmmaOperand a, WgmmaOperand b, bool accumulate,
                       const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_bf16(d, 128, a.descriptor, b.descriptor, accumulate, place);
}

inline void wgmma_bf16(float (&d)[128], WgmmaOperand a, WgmmaOperand b, bool accumulate,
                       const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_bf16(d, 256, a.descriptor, b.descriptor, accumulate, place);
}

// The same with A in registers. N is as on the device.
template <int kCount>
  requires(kCount == 16 || kCount == 32 || kCount == 64 || kCount == 128)
inline void wgmma_bf16(float (&d)[kCount], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate,
                       const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_bf16(d, 2 * kCount, a, b.descriptor, accumulate, place);
}

template <int kCount>
  requires(kCount == 12 || kCount == 32 || kCount == 48 || kCount == 64 || kCount == 72 || kCount == 80)
inline void wgmma_f16(float (&d)[kCount], const uint32_t (&a)[4], WgmmaOperand b, bool accumulate,
                      const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_f16(d, 2 * kCount, a, b.descriptor, accumulate, place);
}

inline void wgmma_bf16_transposed(float (&d)[128], WgmmaOperand a, WgmmaOperand b,
                                  const emulator::Place& place = emulator::Place::current()) {
  emulator::wgmma_bf16_transposed(d, 256, a.descriptor, b.descriptor, place);
}

}  // namespace gesso::cuda
