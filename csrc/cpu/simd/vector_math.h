// Inner loops over contiguous float32 data. Every sum has 16 lanes, a fixed order and no fused multiply-add, so its
// bits do not depend on the instruction set that it was compiled for. exp, log, tanh and gelu are those of
// float_math.h. `out` may be `x`.
#pragma once

#include <cstdint>

namespace gesso::cpu {

constexpr int kTileRows = 4;
constexpr int kTileColumns = 2;

// out[r][c] = dot(x[r], w[c]) over n elements. 4 rows and 2 columns are computed at once.
void dot_tile(const float* const (&x)[kTileRows], const float* const (&w)[kTileColumns], int64_t n,
              float (&out)[kTileRows][kTileColumns]);

float dot(const float* x, const float* y, int64_t n);

// Returns the sum of x[i]^2.
float sum_of_squares(const float* x, int64_t n);

// y += a * x
void axpy(float a, const float* x, float* y, int64_t n);

// y *= a
void scale(float a, float* y, int64_t n);

// out = x * factor * weight, or x * factor where `weight` is nullptr.
void scale_weighted(const float* x, float factor, const float* weight, int64_t n, float* out);

// Rotates the points (x[i], y[i]) by angles whose cosines and sines are given.
void rotate(const float* cosines, const float* sines, int64_t n, float* x, float* y);

void exp(const float* x, int64_t n, float* out);
void log(const float* x, int64_t n, float* out);
void tanh(const float* x, int64_t n, float* out);

// out = gelu_tanh(gate) * up. `out` may be `gate` or `up`.
void gelu_mul(const float* gate, const float* up, int64_t n, float* out);

}  // namespace gesso::cpu
