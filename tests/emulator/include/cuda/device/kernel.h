// The emulated csrc/cuda/device/kernel.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "emulator/rendezvous.h"

namespace gesso::cuda {

constexpr int kWarpSize = 32;

template <typename T>
inline T* shared_memory() {
  return reinterpret_cast<T*>(emulator::block_shared_memory().data);
}

inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarpSize; }
inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarpSize; }
inline int thread_index_anew() { return static_cast<int>(threadIdx.x); }
inline int block_index_anew() { return static_cast<int>(blockIdx.x); }
inline int anew(int value) { return value; }

}  // namespace gesso::cuda
