// The language of kernels (__global__, threadIdx and the like), and where a block finds its shared memory. Every
// file with a kernel includes this header, directly or through others.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace gesso::cuda {

constexpr int kWarpSize = 32;

// The block's dynamic shared memory: 128-byte aligned, uninitialised, of as many bytes as Launch::shared_bytes says.
template <typename T>
__device__ inline T* shared_memory() {
  extern __shared__ __align__(128) unsigned char block_shared_memory[];
  return reinterpret_cast<T*>(block_shared_memory);
}

// This thread's place in its warp, and its warp's place in the block. Blocks are one-dimensional.
__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarpSize; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarpSize; }

// threadIdx.x, read anew. In a loop over tiles the compiler keeps everything that follows from threadIdx.x in registers
// from one tile to the next. What follows from this value it computes for each tile.
__device__ inline int thread_index_anew() {
  int index;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
  return index;
}

// The same of any value that a loop does not change.
__device__ inline int anew(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

// The same of blockIdx.x.
__device__ inline int block_index_anew() {
  int index;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index));
  return index;
}

}  // namespace gesso::cuda
