#include "cpu/simd/vector_math.h"

#include "cpu/simd/float_math.h"

namespace gesso::cpu {
GESSO_TARGETS
void dot_tile(const float* const (&x)[kTileRows], const float* const (&w)[kTileColumns], int64_t n,
              float (&out)[kTileRows][kTileColumns]) {
  Lanes sums[kTileRows][kTileColumns] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Lanes w0 = load(w[0] + i), w1 = load(w[1] + i);
    for (int r = 0; r < kTileRows; ++r) {
      const Lanes xr = load(x[r] + i);
      sums[r][0] += xr * w0;
      sums[r][1] += xr * w1;
    }
  }
  if (i < n) {
    const Lanes w0 = load_tail(w[0] + i, n - i), w1 = load_tail(w[1] + i, n - i);
    for (int r = 0; r < kTileRows; ++r) {
      const Lanes xr = load_tail(x[r] + i, n - i);
      sums[r][0] += xr * w0;
      sums[r][1] += xr * w1;
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int c = 0; c < kTileColumns; ++c) out[r][c] = sum_lanes(sums[r][c]);
  }
}

GESSO_TARGETS
float dot(const float* x, const float* y, int64_t n) {
  Lanes sum = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += load(x + i) * load(y + i);
  if (i < n) sum += load_tail(x + i, n - i) * load_tail(y + i, n - i);
  return sum_lanes(sum);
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

GESSO_TARGETS
void scale_weighted(const float* x, float factor, const float* weight, int64_t n, float* out) {
  if (weight) {
    GESSO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor * weight[i];
  } else {
    GESSO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor;
  }
}

GESSO_TARGETS
void rotate(const float* cosines, const float* sines, int64_t n, float* x, float* y) {
  GESSO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const float low = x[i], high = y[i];
    x[i] = low * cosines[i] - high * sines[i];
    y[i] = high * cosines[i] + low * sines[i];
  }
}

GESSO_TARGETS
void exp(const float* x, int64_t n, float* out) {
  GESSO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = exp(x[i]);
}

GESSO_TARGETS
void log(const float* x, int64_t n, float* out) {
  GESSO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = log(x[i]);
}

GESSO_TARGETS
void tanh(const float* x, int64_t n, float* out) {
  GESSO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = tanh(x[i]);
}

GESSO_TARGETS
void gelu_mul(const float* gate, const float* up, int64_t n, float* out) {
  GESSO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) out[i] = gelu_tanh(gate[i]) * up[i];
}

}  // namespace gesso::cpu
