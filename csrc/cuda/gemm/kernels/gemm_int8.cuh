// The matrix kernel for rows of int8 and weights of block formats. It works as gemm_bf16.cuh does, but decodes a weight
// to integers, and a scale for 32 columns of a row. The products of 32 columns add up to an exact integer. The integer
// is multiplied with the scales of both sides, and added up in float32. If a format has a minimum, the minimum is
// multiplied with the sum of x over the 32 columns.
#pragma once

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
#include "cuda/gemm/kernels/int8_units.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"

namespace gesso::cuda {

// How a block uses its shared memory.
template <typename Decoder, int kRows>
struct Int8Memory {
  static constexpr int kRowBytes = kStepColumns;
  static constexpr int kCodeBytes = kTileWeightRows * kRowBytes;                // of one step
  static constexpr int kScaleBytes = 2 * kTileWeightRows * sizeof(UnitScales);  // of one step: unit after unit
  static constexpr int kRowScaleBytes = kRows * sizeof(StepScales);             // of one step
  // How many steps of rows of x the ring holds: one is multiplied, two have arrived or are on their way. If there is no
  // room, one is. A step of 256 rows takes long enough for its copies.
  static constexpr int kRoom = kMaxGemmSharedBytes - kWorkListRoom - 2 * (kCodeBytes + kScaleBytes) -
                               RawSpan<Decoder>::num_slots(2) * RawSpan<Decoder>::kBytes;
  static constexpr int kSlots = 3 * (kRows * kRowBytes + kRowScaleBytes) <= kRoom ? 3 : 2;
  using Rows = RowTile<kRows, kRowBytes, kSlots>;
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

// sums += weights rows^T, for the 64 weight rows and 64 columns of a step. A matrix load of rows of x serves two
// products: in a narrow tile both units of 8 rows, in a wide tile one unit of 16 rows. (A thread of a wide tile has
// many sums, and registers for the factors of one unit.) If only 8 of the 16 rows are there, the other sums are not
// used.
template <typename Decoder, int kRows>
__device__ inline void multiply_int8_step(const uint8_t* tile, const UnitScales* scales, const uint8_t* rows,
                                          const StepScales* row_scales, int num_row_tiles, const int32_t (&start)[4],
                                          TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
  constexpr int kGroups = Warp::kTogether, kUnits = 2 / kGroups;  // of 8 rows, and of 32 columns, at a time
  const int lane = lane_index();
  const int row = 8 * Warp::row_tile(0) + lane % 8 + (kGroups == 2 ? lane / 16 * 8 : 0);
  const int row_offset = piece_offset<kStepColumns>(row, kGroups == 2 ? lane / 8 % 2 : lane / 8);
  const int weight_offset = piece_offset<kStepColumns>(16 * Warp::weight_tile(0) + lane % 16, lane / 16);
  scales += 16 * Warp::weight_tile(0) + lane / 4;
  row_scales += 8 * Warp::row_tile(0) + lane % 4 * 2;
#pragma unroll
  for (int first_unit = 0; first_unit < 2; first_unit += kUnits) {
    uint32_t a[kUnits][Warp::kWeightTiles][4];
    RowFactors<Decoder> w[kUnits][Warp::kWeightTiles][2];  // by unit, weight tile, and row g or g + 8
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int unit = first_unit + u;
#pragma unroll
      for (int m = 0; m < Warp::kWeightTiles; ++m) {
        // Rows that are a multiple of 8 apart have their pieces in the same order.
        load_matrix_x4(a[u][m], tile + 16 * m * kStepColumns + pieces_on(weight_offset, 2 * unit));
#pragma unroll
        for (int i = 0; i < 2; ++i) w[u][m][i].load(scales + unit * kTileWeightRows + 16 * m + 8 * i);
      }
    }
#pragma unroll
    for (int n = 0; n < Warp::kRowTiles; n += kGroups) {
      if (Warp::row_tile(n) >= num_row_tiles) break;
      uint32_t b[4];
      load_matrix_x4(b, rows + 8 * Warp::row_tiles_on(n) * kStepColumns + pieces_on(row_offset, 2 * first_unit));
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int u = i % kUnits, group = i % kGroups;
        const StepScales* x = row_scales + 8 * Warp::row_tiles_on(n + group);
        const auto x_0 = load_from<UnitScale>(&x[0].units[first_unit + u]);
        const auto x_1 = load_from<UnitScale>(&x[1].units[first_unit + u]);
#pragma unroll
        for (int m = 0; m < Warp::kWeightTiles; ++m) {
          multiply_unit<Decoder>(a[u][m], {b[2 * i], b[2 * i + 1]}, w[u][m][0], w[u][m][1], x_0, x_1, start,
                                 sums[m][n + group]);
        }
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

  int32_t start[4];
  start_sums(arguments, start);

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
                                           WarpTile<kRows>::num_row_tiles(work), start, sums);
      });
}

// out = W x^T in tiles of 64 by kRows, see gemm_arguments.h.   grid: at most a block per tile; shared Int8Memory.
// ptxas: <= 255 registers; IMMA, LDSM, LDGSTS
template <typename Decoder, int kRows>
__global__ void __launch_bounds__(gemm_threads(kRows), kRows == kWideInt8Rows ? 1 : 3)
    gemm_int8_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
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
  static int64_t shared_bytes(DType weight, RowFormat, const GemmTiles& tiles) {
    int64_t bytes = 0;
    with_decoder_of(Types{}, weight, [&]<typename Decoder>(DecoderType<Decoder>) {
      bytes = tiles.rows == kWideInt8Rows ? Int8Memory<Decoder, kWideInt8Rows>::kWorkBegin
                                          : Int8Memory<Decoder, kNarrowRows>::kWorkBegin;
    });
    return bytes;
  }

  static void launch(const GemmLaunch& gemm) {
    with_decoder_of(Types{}, gemm.arguments.dtype, [&]<typename Decoder>(DecoderType<Decoder>) {
      gemm.plan.tiles.rows == kWideInt8Rows ? launch_gemm_int8<Decoder, kWideInt8Rows>(gemm)
                                            : launch_gemm_int8<Decoder, kNarrowRows>(gemm);
    });
  }

  static constexpr GemmCode kCode = {shared_bytes, launch};
};

}  // namespace gesso::cuda
