// Products of units: 32 columns of weights as integers with rows of x as integers. The products of the columns add up
// to an exact integer. It is multiplied with the scale of the weights and then with that of the row.
#pragma once

#include <math.h>

#include <bit>

#include "cuda/device/access.h"
#include "cuda/device/kernel.h"
#include "cuda/device/mma.h"
#include "cuda/gemm/gemm_arguments.h"

namespace gesso::cuda {

// The factors for 32 columns of a weight row.
struct alignas(8) UnitScales {
  float first;   // the scale; if there are two, that of the first 16 columns
  float second;  // the scale of the last 16 columns, or the minimum
};

// An integer accumulator that starts with these bits can be read as a float, without a conversion. The float is 1.5 *
// 2^23 + the sum, as long as the sum's magnitude is below 2^22. The sum of 32 products is at most 2^19.
constexpr int32_t kSumBits = 0x4b400000;
constexpr float kSumBias = 0x1.8p23f;

// Writes the bits to the registers in which the sums of all products start. Each has the sign of another size added,
// which is 0, as the compiler does not know. If it knew the bits, it would write them anew for every product.
__device__ inline void start_sums(const GemmArguments& arguments, int32_t (&start)[4]) {
  const int sizes[4] = {arguments.num_columns, arguments.num_steps, arguments.num_outputs, arguments.num_rows};
#pragma unroll
  for (int i = 0; i < 4; ++i) start[i] = kSumBits + (sizes[i] >> 31);
}

// The factors of 16 or 32 columns of a weight row, in registers. `bias` is exact, since a scale of every format has
// fewer than 22 significant bits. (Only MXFP4 could have one of 2^105 or more. Its bias is infinite, and so is the
// result.)
struct UnitFactors {
  float scale;
  float bias;  // -scale * kSumBias

  __device__ static UnitFactors of(float scale) { return {scale, -kSumBias * scale}; }
  // scale * sum, rounded once, because what the multiplication adds to the bias is exact.
  __device__ float times(int32_t sum_bits) const { return fmaf(std::bit_cast<float>(sum_bits), scale, bias); }
};

// The factors of a weight row for the 32 columns of a unit.
template <typename Decoder>
struct RowFactors {
  UnitFactors first;
  UnitFactors second = {};  // of the last 16 columns, if they have a scale of their own
  float min = 0;

  __device__ void load(const UnitScales* from) {
    const auto scales = load_from<UnitScales>(from);
    first = UnitFactors::of(scales.first);
    if constexpr (Decoder::kHasTwoScales) second = UnitFactors::of(scales.second);
    if constexpr (Decoder::kHasMin) min = scales.second;
  }
};

// sums[i] += scale of the column * scale of the row * products[i]. The rows are g and g + 8 of the fragments, and x has
// the scales of the columns 2t and 2t + 1. (device/mma.h says what g and t are.)
__device__ inline void add_scaled(const int32_t (&products)[4], const UnitFactors& row, const UnitFactors& row_8,
                                  const float (&x)[2], float (&sums)[4]) {
  sums[0] = fmaf(x[0], row.times(products[0]), sums[0]);
  sums[1] = fmaf(x[1], row.times(products[1]), sums[1]);
  sums[2] = fmaf(x[0], row_8.times(products[2]), sums[2]);
  sums[3] = fmaf(x[1], row_8.times(products[3]), sums[3]);
}

// Multiplies 32 columns of 16 weight rows with 8 rows of x. w and w_8 are the factors of the weight rows g and g + 8 of
// the fragments. x and x_1 are the scales of the rows of x 2t and 2t + 1.
template <typename Decoder>
__device__ inline void multiply_unit(const uint32_t (&a)[4], const uint32_t (&b)[2], const RowFactors<Decoder>& w,
                                     const RowFactors<Decoder>& w_8, const UnitScale& x, const UnitScale& x_1,
                                     const int32_t (&start)[4], float (&sums)[4]) {
  const float x_scales[2] = {x.scale, x_1.scale};
  int32_t products[4];
  if constexpr (Decoder::kHasTwoScales) {
    mma_s8_k16(products, {a[0], a[1]}, b[0], start);
    add_scaled(products, w.first, w_8.first, x_scales, sums);
    mma_s8_k16(products, {a[2], a[3]}, b[1], start);
    add_scaled(products, w.second, w_8.second, x_scales, sums);
  } else {
    mma_s8(products, a, b, start);
    add_scaled(products, w.first, w_8.first, x_scales, sums);
  }
  if constexpr (Decoder::kHasMin) {
    sums[0] = fmaf(-w.min, x.sum, sums[0]);
    sums[1] = fmaf(-w.min, x_1.sum, sums[1]);
    sums[2] = fmaf(-w_8.min, x.sum, sums[2]);
    sums[3] = fmaf(-w_8.min, x_1.sum, sums[3]);
  }
}

}  // namespace gesso::cuda
