// 16 floats that are computed with at once. The inner loops use them on every machine, whatever the width of its
// registers. So sums have the same order everywhere.
#pragma once

#include <cstdint>
#include <cstring>

// The compiler makes one clone of the function for each of these instruction sets, and the loader picks the best one
// that the machine runs. Sanitizers cannot instrument the code that picks, so their builds have one version only. Clang
// refuses to pass Lanes to a function that is inlined into a clone. Its builds have one version too, for which
// -march=native or the like allows wide registers.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(GESSO_SINGLE_TARGET) && !defined(__clang__)
#define GESSO_TARGETS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define GESSO_TARGETS
#endif

// Functions that a clone calls have to be inlined into it. Otherwise they would be compiled for the baseline.
#define GESSO_INLINE [[gnu::always_inline]] inline

// Stands before a loop whose `out` may be `x`. The compiler then suspects that an element depends on an earlier one.
// None does, and GESSO_INDEPENDENT tells the compiler so. Clang warns of each loop that it is told of and leaves as it
// is, so it is told only where it makes vector code: neither for a debugger nor for sanitizers.
#if !defined(__clang__)
#define GESSO_INDEPENDENT _Pragma("GCC ivdep")
#elif defined(__OPTIMIZE__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define GESSO_INDEPENDENT
#endif

namespace gesso::cpu {

constexpr int kLanes = 16;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));
typedef uint32_t LaneBits __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef int32_t LaneInts __attribute__((vector_size(kLanes * sizeof(int32_t))));

GESSO_INLINE Lanes load(const float* x) {
  Lanes lanes;
  std::memcpy(&lanes, x, sizeof(lanes));
  return lanes;
}

GESSO_INLINE void store(Lanes lanes, float* out) { std::memcpy(out, &lanes, sizeof(lanes)); }

// Loads the last `count` < 16 elements, padded with zeros. So the rest of a row is one more step of the same loop.
GESSO_INLINE Lanes load_tail(const float* x, int64_t count) {
  float padded[kLanes];
  for (int i = 0; i < kLanes; ++i) padded[i] = i < count ? x[i] : 0.0f;
  return load(padded);
}

// Returns the sum of all lanes, added in pairs: 16 -> 8 -> 4 -> 2 -> 1.
GESSO_INLINE float sum_lanes(Lanes x) {
  float lanes[kLanes], sums[kLanes / 2];
  store(x, lanes);
  for (int i = 0; i < 8; ++i) sums[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

}  // namespace gesso::cpu
