// Rows of half precision for the matrix instructions of experts. f16 has 11 binary digits, three more than bf16, but a
// small range. So each row has a scale, a power of two:
//   x ~ scale * f16,   the largest |f16| of a row is between 2^13 and 2^14
// A value with the 8 digits of bf16 stays exact, unless it is 2^30 times smaller than the largest one of its row.
//
// Rows for some types of weights (kEvensFirstF16) have the even columns of every 16 first, and the odd ones behind
// them:
//   place    0  1  2  3  4  5  6  7    8  9 10 11 12 13 14 15
//   column   0  2  4  6  8 10 12 14    1  3  5  7  9 11 13 15
// In a matrix instruction thread t of four has the places 2t, 2t + 1, 2t + 8, 2t + 9. So its weights are those of the
// columns 4t to 4t + 3. They are neighbours in memory, and a thread loads them as one word.
#pragma once

#include <bit>

#include "cuda/block/quad_rows.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gemm.h"
#include "cuda/gemm/pack/magnitude.h"

namespace gesso::cuda {

// How a row is rounded, given its largest magnitude as bits. Rows below 2^-113 have the scale 2^-126, and the largest
// |f16| is smaller. A row with a NaN or an infinity has the scale NaN, which makes its products NaN.
struct HalfRounding {
  float scale = 0, per_scale = 0;  // per_scale is 0 where the row is not finite

  HalfRounding() = default;
  __device__ explicit HalfRounding(uint32_t magnitude) {
    const bool is_finite = magnitude < kInfinityBits;
    const uint32_t exponent = magnitude >> 23, of_scale = (exponent < 14 ? 14 : exponent) - 13;
    scale = std::bit_cast<float>(is_finite ? of_scale << 23 : kNaNBits);
    per_scale = is_finite ? std::bit_cast<float>((254 - of_scale) << 23) : 0.0f;
  }

  __device__ float round(float value) const { return per_scale > 0 ? value * per_scale : 0.0f; }

  // Four neighbouring columns, two of which are even. `column` is a multiple of four before the end of the last step.
  __device__ void store(const PackedTarget& target, int64_t row, int64_t column, const Quad& quad) const {
    const float a = round(quad.v[0]), b = round(quad.v[1]), c = round(quad.v[2]), d = round(quad.v[3]);
    std::byte* of_row = target.values + row * target.row_bytes + 2 * column;
    if (target.type == static_cast<int32_t>(RowType::kF16)) {
      *reinterpret_cast<uint2*>(of_row) = make_uint2(pack_half(a, b), pack_half(c, d));
    } else {
      std::byte* evens = of_row - column % 16;
      *reinterpret_cast<uint32_t*>(evens) = pack_half(a, c);
      *reinterpret_cast<uint32_t*>(evens + 16) = pack_half(b, d);
    }
  }
};

}  // namespace gesso::cuda
