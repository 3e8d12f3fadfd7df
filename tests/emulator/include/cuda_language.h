// CUDA's language for g++: its keywords, vector types and built-in variables. Part of the emulator's <cuda_runtime.h>.
#pragma once

#include <cstdint>

#include "emulator/export.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// There is no __shared__: kernels take all shared memory from shared_memory<T>().

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// As on the device, loads and stores of these types need their full alignment.
#define GESSO_EMULATOR_VECTORS(Name, Scalar)                                                                         \
  struct __attribute__((aligned(2 * sizeof(Scalar)))) Name##2 { Scalar x, y; };                                      \
  struct __attribute__((aligned(4 * sizeof(Scalar) > 16 ? 16 : 4 * sizeof(Scalar)))) Name##4 { Scalar x, y, z, w; }; \
  constexpr Name##2 make_##Name##2(Scalar x, Scalar y) { return {x, y}; }                                            \
  constexpr Name##4 make_##Name##4(Scalar x, Scalar y, Scalar z, Scalar w) { return {x, y, z, w}; }

GESSO_EMULATOR_VECTORS(char, signed char)
GESSO_EMULATOR_VECTORS(uchar, unsigned char)
GESSO_EMULATOR_VECTORS(short, short)
GESSO_EMULATOR_VECTORS(ushort, unsigned short)
GESSO_EMULATOR_VECTORS(int, int)
GESSO_EMULATOR_VECTORS(uint, unsigned)
GESSO_EMULATOR_VECTORS(float, float)
GESSO_EMULATOR_VECTORS(longlong, long long)
GESSO_EMULATOR_VECTORS(ulonglong, unsigned long long)
GESSO_EMULATOR_VECTORS(double, double)
#undef GESSO_EMULATOR_VECTORS

// The indices of the thread whose turn it is. The emulator sets them before each turn.
extern GESSO_EMULATOR_THREAD_LOCAL uint3 threadIdx;
extern GESSO_EMULATOR_THREAD_LOCAL uint3 blockIdx;
extern GESSO_EMULATOR_THREAD_LOCAL dim3 blockDim;
extern GESSO_EMULATOR_THREAD_LOCAL dim3 gridDim;
constexpr int warpSize = 32;

// Functions of CUDA that C++ does not have.
inline float rsqrtf(float x) { return 1.0f / __builtin_sqrtf(x); }
