// 16 floats that are computed with at once: the unit of all inner loops, whatever the width of the machine's registers.
#pragma once

#include <cstdint>
#include <cstring>

// The loader picks the widest clone the machine runs. Sanitizers cannot instrument the resolvers, so their build has
// one.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_TARGETS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define GESSO_TARGETS
#endif

// What a clone calls has to be part of it: on its own it would be code for the oldest machine.
#define GESSO_INLINE [[gnu::always_inline]] inline

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

// The last `count` < 16 elements, padded with zeros: one more step of the same loop, not a different one.
GESSO_INLINE Lanes load_tail(const float* x, int64_t count) {
  float padded[kLanes];
  for (int i = 0; i < kLanes; ++i) padded[i] = i < count ? x[i] : 0.0f;
  return load(padded);
}

// Sums the lanes pairwise: 16 -> 8 -> 4 -> 2 -> 1.
GESSO_INLINE float sum_lanes(Lanes x) {
  float lanes[kLanes], sums[kLanes / 2];
  store(x, lanes);
  for (int i = 0; i < 8; ++i) sums[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

}  // namespace gesso::cpu
