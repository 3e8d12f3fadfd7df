#include "cpu/simd/vector_math.h"

#include <cstring>

// The loader picks the widest clone the machine runs. Sanitizers cannot instrument the resolvers, so their build has
// one.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_TARGETS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define GESSO_TARGETS
#endif

namespace gesso::cpu {
namespace {

constexpr int kLanes = 16;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// The tail past the last full 16 elements, padded with zeros: one more step of the same loop, not a different one.
inline void load_tail(const float* x, int64_t count, float (&padded)[kLanes]) {
  for (int i = 0; i < kLanes; ++i) padded[i] = i < count ? x[i] : 0.0f;
}

#define GESSO_LOAD(name, source) \
  Lanes name;                    \
  std::memcpy(&name, source, sizeof(name))

// Sums the lanes pairwise: 16 -> 8 -> 4 -> 2 -> 1.
inline float sum_lanes(const float (&lanes)[kLanes]) {
  float sums[kLanes / 2];
  for (int i = 0; i < 8; ++i) sums[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

}  // namespace

GESSO_TARGETS
void dot_tile(const float* const (&x)[kTileRows], const float* const (&w)[kTileColumns], int64_t n,
              float (&out)[kTileRows][kTileColumns]) {
  Lanes sums[kTileRows][kTileColumns] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    GESSO_LOAD(w0, w[0] + i);
    GESSO_LOAD(w1, w[1] + i);
    for (int r = 0; r < kTileRows; ++r) {
      GESSO_LOAD(xr, x[r] + i);
      sums[r][0] += xr * w0;
      sums[r][1] += xr * w1;
    }
  }
  if (i < n) {
    float tail_x[kLanes], tail_w[kTileColumns][kLanes];
    for (int c = 0; c < kTileColumns; ++c) load_tail(w[c] + i, n - i, tail_w[c]);
    for (int r = 0; r < kTileRows; ++r) {
      load_tail(x[r] + i, n - i, tail_x);
      GESSO_LOAD(xr, tail_x);
      for (int c = 0; c < kTileColumns; ++c) {
        GESSO_LOAD(wc, tail_w[c]);
        sums[r][c] += xr * wc;
      }
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int c = 0; c < kTileColumns; ++c) {
      float lanes[kLanes];
      std::memcpy(lanes, &sums[r][c], sizeof(lanes));
      out[r][c] = sum_lanes(lanes);
    }
  }
}

GESSO_TARGETS
float dot(const float* x, const float* y, int64_t n) {
  Lanes sum = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    GESSO_LOAD(a, x + i);
    GESSO_LOAD(b, y + i);
    sum += a * b;
  }
  if (i < n) {
    float tail_x[kLanes], tail_y[kLanes];
    load_tail(x + i, n - i, tail_x);
    load_tail(y + i, n - i, tail_y);
    GESSO_LOAD(a, tail_x);
    GESSO_LOAD(b, tail_y);
    sum += a * b;
  }
  float lanes[kLanes];
  std::memcpy(lanes, &sum, sizeof(lanes));
  return sum_lanes(lanes);
}

float sum_of_squares(const float* x, int64_t n) { return dot(x, x, n); }

GESSO_TARGETS
void axpy(float a, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

GESSO_TARGETS
void scale(float a, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] *= a;
}

}  // namespace gesso::cpu
