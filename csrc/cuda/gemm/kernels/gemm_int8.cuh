// The matrix kernel for rows of int8 and weights of block formats. It works as gemm_bf16.cuh does, but decodes a weight
// to integers, and a scale for 32 columns of a row. The products of 32 columns add up to an exact integer. The integer
// is multiplied with the scales of both sides, and added up in float32. If a format has a minimum, the minimum is
// multiplied with the sum of x over the 32 columns.
#pragma once

#include <math.h>

#include <bit>

#include "cuda/decode/codes.h"
#include "cuda/decode/list_decoder.h"
#include "cuda/device/access.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma.h"
#include "cuda/gemm/gemm_arguments.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_steps.cuh"
#include "cuda/gemm/kernels/gemm_store.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"

namespace gesso::cuda {

// The factors for 32 columns of a weight row.
struct alignas(8) UnitScales {
  float first;   // the scale; if there are two, that of the first 16 columns
  float second;  // the scale of the last 16 columns, or the minimum
};

// How a block uses its shared memory.
template <typename Decoder, int kRows>
struct Int8Memory {
  static constexpr int kRowBytes = kStepColumns;
  static constexpr int kCodeBytes = kTileWeightRows * kRowBytes;                // of one step
  static constexpr int kScaleBytes = 2 * kTileWeightRows * sizeof(UnitScales);  // of one step: unit after unit
  static constexpr int kSlots = 3;
  using Rows = RowTile<kRows, kRowBytes, kSlots>;
  static constexpr int kRowScaleBytes = kRows * sizeof(StepScales);  // of one step
  static constexpr int kRawSlots = RawSpan<Decoder>::num_slots(kSlots - 1);
  using Raw = RawTile<Decoder, kRawSlots, gemm_threads(kRows)>;
  static constexpr int kInFlight = kSlots - 2;  // as in Bf16Memory; raw spans are at least as far ahead

  static constexpr int kRawBegin = 0;
  static constexpr int kCodesBegin = kRawBegin + Raw::kBytes;
  static constexpr int kScalesBegin = kCodesBegin + 2 * kCodeBytes;
  static constexpr int kRowsBegin = kScalesBegin + 2 * kScaleBytes;
  static constexpr int kRowScalesBegin = kRowsBegin + Rows::kBytes;
  static constexpr int kWorkBegin = kRowScalesBegin + kSlots * kRowScaleBytes;
  static_assert(kWorkBegin + kWorkListRoom <= kMaxGemmSharedBytes);
};

// The scales of the tile's rows of x, in a ring beside the rows' RowTile.
template <int kRows, int kSlots>
class RowScales {
 public:
  __device__ explicit RowScales(uint8_t* ring) : ring_(reinterpret_cast<StepScales*>(ring)) {}

  __device__ void begin(const GemmArguments& arguments, const TileWork& work) {
    const int row = static_cast<int>(threadIdx.x);
    is_copying_ = row < WarpTile<kRows>::num_row_tiles(work) * 8;
    scales_ = arguments.x_scales + (is_copying_ ? x_row(arguments, work, row) : 0) * arguments.num_steps;
  }
  __device__ void copy(int step) {
    if (is_copying_) copy_async_16(ring_ + ring_slot<kSlots>(step) * kRows + threadIdx.x, scales_ + step);
  }
  __device__ const StepScales* slot(int step) const { return ring_ + ring_slot<kSlots>(step) * kRows; }

 private:
  static_assert(kRows <= gemm_threads(kRows));
  StepScales* ring_;
  const StepScales* scales_ = nullptr;
  bool is_copying_ = false;
};

// Unpacks the codes and scales of the thread's half row of a step.
template <typename Decoder, typename Raw>
__device__ inline void unpack_step(const Raw& raw, int step, int num_columns, uint8_t* tile, UnitScales* scales) {
  const Codes codes = Decoder::codes(raw.span_of(step), raw.unit_of(step));
  const int row = Raw::decoded_row(), half = Raw::decoded_half();
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    uint32_t words[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) words[j] = signed_codes<Decoder>(codes.bytes[4 * i + j]);
    store_to(tile + piece_offset<kStepColumns>(row, 2 * half + i), make_uint4(words[0], words[1], words[2], words[3]));
  }
  // Behind the last column x is zero. But a scale there may be NaN, and would make the product NaN.
  const bool is_there = step * kStepColumns + half * kUnitColumns < num_columns;
  const float second = Decoder::kHasTwoScales ? codes.scale[1] : codes.min;
  store_to(scales + half * kTileWeightRows + row,
           UnitScales{is_there ? codes.scale[0] : 0.0f, is_there ? second : 0.0f});
}

// An integer accumulator that starts with these bits can be read as a float, without a conversion. The float is 1.5 *
// 2^23 + the sum, as long as the sum's magnitude is below 2^22. The sum of 32 products is at most 2^19.
constexpr int32_t kSumBits = 0x4b400000;
constexpr float kSumBias = 0x1.8p23f;
__device__ inline float sum_value(int32_t bits) { return std::bit_cast<float>(bits) - kSumBias; }

// sums[i] += scale of the row * scale of the column * products[i].
__device__ inline void add_scaled(const int32_t (&products)[4], float row_scale, float row_8_scale, float x_scale,
                                  float x_1_scale, float (&sums)[4]) {
  sums[0] = fmaf(row_scale * x_scale, sum_value(products[0]), sums[0]);
  sums[1] = fmaf(row_scale * x_1_scale, sum_value(products[1]), sums[1]);
  sums[2] = fmaf(row_8_scale * x_scale, sum_value(products[2]), sums[2]);
  sums[3] = fmaf(row_8_scale * x_1_scale, sum_value(products[3]), sums[3]);
}

// Multiplies 32 columns of 16 weight rows with 8 rows of x. w and w_8 are the scales of the weight rows g and g + 8 of
// the fragments. x and x_1 are the scales of the rows of x 2t and 2t + 1. (device/mma.h says what g and t are.)
template <typename Decoder>
__device__ inline void multiply_unit(const uint32_t (&a)[4], uint32_t b_first, uint32_t b_second, int unit,
                                     const UnitScales& w, const UnitScales& w_8, const StepScales& x,
                                     const StepScales& x_1, float (&sums)[4]) {
  int32_t products[4] = {kSumBits, kSumBits, kSumBits, kSumBits};
  if constexpr (Decoder::kHasTwoScales) {
    mma_s8_k16(products, {a[0], a[1]}, b_first);
    add_scaled(products, w.first, w_8.first, x.scale[unit], x_1.scale[unit], sums);
    int32_t others[4] = {kSumBits, kSumBits, kSumBits, kSumBits};
    mma_s8_k16(others, {a[2], a[3]}, b_second);
    add_scaled(others, w.second, w_8.second, x.scale[unit], x_1.scale[unit], sums);
  } else {
    mma_s8(products, a, {b_first, b_second});
    add_scaled(products, w.first, w_8.first, x.scale[unit], x_1.scale[unit], sums);
  }
  if constexpr (Decoder::kHasMin) {
    sums[0] = fmaf(-w.second, x.sum[unit], sums[0]);
    sums[1] = fmaf(-w.second, x_1.sum[unit], sums[1]);
    sums[2] = fmaf(-w_8.second, x.sum[unit], sums[2]);
    sums[3] = fmaf(-w_8.second, x_1.sum[unit], sums[3]);
  }
}

// sums += weights rows^T, for the 64 weight rows and 64 columns of a step.
template <typename Decoder, int kRows>
__device__ inline void multiply_int8_step(const uint8_t* tile, const UnitScales* scales, const uint8_t* rows,
                                          const StepScales* row_scales, int num_row_tiles, TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
  const int lane = lane_index();
  uint32_t a[Warp::kWeightTiles][2][4];
  UnitScales w[Warp::kWeightTiles][2][2];  // by weight tile, unit, and row g or g + 8
#pragma unroll
  for (int m = 0; m < Warp::kWeightTiles; ++m) {
    const int first = 16 * Warp::weight_tile(m);
#pragma unroll
    for (int unit = 0; unit < 2; ++unit) {
      load_matrix_x4(a[m][unit], tile + piece_offset<kStepColumns>(first + lane % 16, 2 * unit + lane / 16));
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        w[m][unit][i] = load_from<UnitScales>(scales + unit * kTileWeightRows + first + lane / 4 + 8 * i);
      }
    }
  }
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; ++n) {
    if (Warp::row_tile(n) >= num_row_tiles) continue;
    const int first = 8 * Warp::row_tile(n);
    uint32_t b[4];
    load_matrix_x4(b, rows + piece_offset<kStepColumns>(first + lane % 8, lane / 8));
    const auto x = load_from<StepScales>(row_scales + first + lane % 4 * 2);
    const auto x_1 = load_from<StepScales>(row_scales + first + lane % 4 * 2 + 1);
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
#pragma unroll
      for (int unit = 0; unit < 2; ++unit) {
        multiply_unit<Decoder>(a[m][unit], b[2 * unit], b[2 * unit + 1], unit, w[m][unit][0], w[m][unit][1], x, x_1,
                               sums[m][n]);
      }
    }
  }
}

// Computes the sums of one tile over its steps, as multiply_bf16_tile does.
template <typename Decoder, int kRows>
__device__ inline void multiply_int8_tile(const GemmArguments& arguments, const TileWork& work, uint8_t* shared,
                                          TileSums<kRows>& sums) {
  using Memory = Int8Memory<Decoder, kRows>;
  constexpr int kSpanSteps = RawSpan<Decoder>::kSteps;
  typename Memory::Raw raw(shared + Memory::kRawBegin, arguments.dtype);
  typename Memory::Rows rows(shared + Memory::kRowsBegin);
  RowScales<kRows, Memory::kSlots> row_scales(shared + Memory::kRowScalesBegin);
  raw.begin([&](int i) { return weight_row(arguments, work, i); }, arguments.row_bytes, work.end_step);
  rows.begin(arguments, work);
  row_scales.begin(arguments, work);
  const auto copy_rows = [&](int step) {
    if (step >= work.end_step) return;
    rows.copy(step);
    row_scales.copy(step);
  };
  const auto tile = [&](int step) { return shared + Memory::kCodesBegin + ring_slot<2>(step) * Memory::kCodeBytes; };
  const auto scales = [&](int step) {
    return reinterpret_cast<UnitScales*>(shared + Memory::kScalesBegin + ring_slot<2>(step) * Memory::kScaleBytes);
  };

  for (int i = 0; i < Memory::kRawSlots - 1; ++i) raw.copy(work.first_step / kSpanSteps + i);
  for (int i = 0; i < Memory::kSlots - 2; ++i) copy_rows(work.first_step + i);
  walk_steps<Memory::kInFlight>(
      work,
      [&](int step) {
        copy_rows(step + Memory::kSlots - 1);
        const int next = step + 1;
        if (ring_slot<kSpanSteps>(next) == 0) raw.copy(RawSpan<Decoder>::of_step(next) + Memory::kRawSlots - 1);
      },
      [&](int step) {
        if (decodes_step<kRows>(step)) {
          unpack_step<Decoder>(raw, step, arguments.num_columns, tile(step), scales(step));
        }
      },
      [&](int step) {
        multiply_int8_step<Decoder, kRows>(tile(step), scales(step), rows.slot(step), row_scales.slot(step),
                                           WarpTile<kRows>::num_row_tiles(work), sums);
      });
}

// out = W x^T in tiles of 64 by kRows, see gemm_arguments.h.   grid: at most a block per tile; shared Int8Memory.
// ptxas: <= 255 registers; IMMA, LDSM, LDGSTS
template <typename Decoder, int kRows>
__global__ void __launch_bounds__(gemm_threads(kRows), kRows == kWideRows ? 1 : 3)
    gemm_int8_kernel(GemmArguments arguments) {
  using Memory = Int8Memory<Decoder, kRows>;
  uint8_t* shared = shared_memory<uint8_t>();
  const WorkList<kRows> list(arguments, reinterpret_cast<int32_t*>(shared + Memory::kWorkBegin));
  for (int index = static_cast<int>(blockIdx.x); index < list.size(); index += static_cast<int>(gridDim.x)) {
    const TileWork work = list[index];
    TileSums<kRows> sums;
    clear<kRows>(sums);
    multiply_int8_tile<Decoder, kRows>(arguments, work, shared, sums);
    static_assert(staged_bytes(kRows) <= Memory::kWorkBegin);
    store_tile<kRows>(arguments, work, sums);
  }
}

template <typename Decoder, int kRows>
void launch_gemm_int8(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name, {dim3(tiles.grid_x), gemm_threads(kRows), tiles.shared_bytes, gemm.queue.stream()},
         gemm_int8_kernel<Decoder, kRows>, gemm.arguments);
}

// The compiled code for a list of types.
template <typename Types>
struct GemmInt8 {
  static int64_t shared_bytes(DType weight, RowFormat, int tile_rows) {
    int64_t bytes = 0;
    with_decoder_of(Types{}, weight, [&]<typename Decoder>(DecoderType<Decoder>) {
      bytes = tile_rows == kWideRows ? Int8Memory<Decoder, kWideRows>::kWorkBegin
                                     : Int8Memory<Decoder, kNarrowRows>::kWorkBegin;
    });
    return bytes;
  }

  static void launch(const GemmLaunch& gemm) {
    with_decoder_of(Types{}, gemm.arguments.dtype, [&]<typename Decoder>(DecoderType<Decoder>) {
      gemm.plan.tiles.rows == kWideRows ? launch_gemm_int8<Decoder, kWideRows>(gemm)
                                        : launch_gemm_int8<Decoder, kNarrowRows>(gemm);
    });
  }

  static constexpr GemmCode kCode = {shared_bytes, launch};
};

}  // namespace gesso::cuda
