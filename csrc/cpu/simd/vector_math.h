// Inner loops over contiguous float32 data.
// Every sum runs in 16 lanes in a fixed order and without fused multiply-add, so its bits do not depend on the
// instruction set it was compiled for.
#pragma once

#include <cstdint>

namespace gesso::cpu {

constexpr int kTileRows = 4;
constexpr int kTileColumns = 2;

// out[r][c] = dot(x[r], w[c]) over n elements, for 4 rows and 2 columns at once.
void dot_tile(const float* const (&x)[kTileRows], const float* const (&w)[kTileColumns], int64_t n,
              float (&out)[kTileRows][kTileColumns]);

float dot(const float* x, const float* y, int64_t n);

// sum of x[i]^2
float sum_of_squares(const float* x, int64_t n);

// y += a * x
void axpy(float a, const float* x, float* y, int64_t n);

// y *= a
void scale(float a, float* y, int64_t n);

}  // namespace gesso::cpu
