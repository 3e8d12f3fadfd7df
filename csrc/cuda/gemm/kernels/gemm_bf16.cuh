// The matrix kernel for rows of bf16 and weights of any type.
//
// Three things run side by side, with one barrier per step:
// - copies of raw weights and of rows of x, which are needed some steps later;
// - decoding of the 64 x 64 weights of the next step to bf16, where each of 128 threads decodes half a row;
// - matrix instructions on the weights and rows of this step.
// With few rows of x the bytes of the weights bound the speed. (For 4-bit types on the fastest memories decoding does.)
// With many rows matrix instructions do.
#pragma once

#include "cuda/decode/floats.h"
#include "cuda/decode/list_decoder.h"
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

// How a block uses its shared memory.
template <typename Decoder, int kRows>
struct Bf16Memory {
  static constexpr int kRowBytes = 2 * kStepColumns;
  static constexpr int kWeightBytes = kTileWeightRows * kRowBytes;  // decoded weights of one step
  // How many steps of rows of x the ring holds: one is multiplied, two have arrived or are on their way. If there is
  // room, raw weights are copied as far ahead.
  static constexpr int kSlots = 3;
  using Rows = RowTile<kRows, kRowBytes, kSlots>;
  static constexpr int kRoom = kMaxGemmSharedBytes - kWorkListRoom - Rows::kBytes - 2 * kWeightBytes;
  static constexpr int kWantedRawSlots = RawSpan<Decoder>::num_slots(kSlots - 1);
  static constexpr int kRawSlots = kWantedRawSlots * RawSpan<Decoder>::kBytes <= kRoom ? kWantedRawSlots : 2;
  using Raw = RawTile<Decoder, kRawSlots, gemm_threads(kRows)>;

  // How many groups of copies may still be on their way while a step is computed: the steps between the start of a copy
  // and its use, less one.
  static constexpr int kRawAhead = RawSpan<Decoder>::kSteps * (kRawSlots - 1);
  static constexpr int kInFlight = (kSlots - 1 < kRawAhead ? kSlots - 1 : kRawAhead) - 1;

  static constexpr int kRawBegin = 0;
  static constexpr int kWeightsBegin = kRawBegin + Raw::kBytes;
  static constexpr int kRowsBegin = kWeightsBegin + 2 * kWeightBytes;
  static constexpr int kWorkBegin = kRowsBegin + Rows::kBytes;
};

// sums += weights rows^T, for the 64 weight rows and 64 columns of a step.
template <int kRows>
__device__ inline void multiply_bf16_step(const uint8_t* weights, const uint8_t* rows, int num_row_tiles,
                                          TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
  constexpr int kRowBytes = 2 * kStepColumns;
  const int lane = lane_index();
  const int weight_offset = piece_offset<kRowBytes>(16 * Warp::weight_tile(0) + lane % 16, lane / 16);
  const int row_offset = piece_offset<kRowBytes>(8 * Warp::row_tile(0) + lane % 8, lane / 8);
  uint32_t a[Warp::kWeightTiles][4][4];  // [.., quarter of the step]
#pragma unroll
  for (int m = 0; m < Warp::kWeightTiles; ++m) {
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      load_matrix_x4(a[m][q], weights + 16 * m * kRowBytes + pieces_on(weight_offset, 2 * q));
    }
  }
  // Two row tiles are multiplied at a time, so that no product waits for the one before. If the second tile has no row,
  // its sums are not used.
  constexpr int kTileBytes = Warp::kWarpColumns * 8 * kRowBytes;
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; n += 2) {
    if (Warp::row_tile(n) >= num_row_tiles) break;
    uint32_t b[2][2][4];  // [row tile, half of the step, ..]
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (n + i / 2 < Warp::kRowTiles) {
        load_matrix_x4(b[i / 2][i % 2], rows + (n + i / 2) * kTileBytes + pieces_on(row_offset, i % 2 * 4));
      }
    }
#pragma unroll
    for (int q = 0; q < 4; ++q) {
#pragma unroll
      for (int i = 0; i < 2 * Warp::kWeightTiles; ++i) {
        const int m = i / 2, pair = i % 2;
        const uint32_t(&half)[4] = b[pair][q / 2];
        if (n + pair < Warp::kRowTiles) mma_bf16(sums[m][n + pair], a[m][q], {half[q % 2 * 2], half[q % 2 * 2 + 1]});
      }
    }
  }
}

// Computes the sums of one tile over its steps.
template <typename Decoder, int kRows>
__device__ inline void multiply_bf16_tile(const GemmArguments& arguments, const TileWork& work, uint8_t* shared,
                                          TileSums<kRows>& sums) {
  using Memory = Bf16Memory<Decoder, kRows>;
  constexpr int kSpanSteps = RawSpan<Decoder>::kSteps;
  typename Memory::Raw raw(shared + Memory::kRawBegin, arguments.dtype);
  typename Memory::Rows rows(shared + Memory::kRowsBegin);
  raw.begin([&](int i) { return weight_row(arguments, work, i); }, arguments.row_bytes, work.end_step);
  rows.begin(arguments, work);
  const auto weights = [&](int step) {
    return shared + Memory::kWeightsBegin + ring_slot<2>(step) * Memory::kWeightBytes;
  };
  const auto copy_rows = [&](int step) {
    if (step < work.end_step) rows.copy(step);
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
        if (decodes_step<kRows>(step)) decode_step(raw, step, arguments.num_columns, weights(step));
      },
      [&](int step) {
        multiply_bf16_step<kRows>(weights(step), rows.slot(step), WarpTile<kRows>::num_row_tiles(work), sums);
      });
}

// out = W x^T in tiles of 64 by kRows, see gemm_arguments.h.   grid: at most a block per tile; shared Bf16Memory.
// ptxas: <= 255 registers, <= 128 bytes of stack: the remaining formats are decoded in an array; HMMA, LDSM, LDGSTS
template <typename Decoder, int kRows>
__global__ void __launch_bounds__(gemm_threads(kRows), kRows == kWideRows ? 1 : 4)
    gemm_bf16_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
  using Memory = Bf16Memory<Decoder, kRows>;
  uint8_t* shared = shared_memory<uint8_t>();
  const WorkList<kRows> list(arguments, reinterpret_cast<int32_t*>(shared + Memory::kWorkBegin));
  for (int index = static_cast<int>(blockIdx.x); index < list.size(); index += static_cast<int>(gridDim.x)) {
    const TileWork work = list[index];
    TileSums<kRows> sums;
    clear<kRows>(sums);
    multiply_bf16_tile<Decoder, kRows>(arguments, work, shared, sums);
    static_assert(staged_bytes(kRows) <= Memory::kWorkBegin);
    store_tile<kRows>(arguments, work, sums);
  }
}

// The decoder that this kernel uses for a type. It splits F32 weights, since their rows of x are split.
template <typename D>
struct Bf16Decoder {
  using Type = D;
};
template <>
struct Bf16Decoder<TileDecoder<DType::kF32>> {
  using Type = SplitDecoder;
};

template <typename Decoder, int kRows>
void launch_gemm_bf16(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name, {dim3(tiles.grid_x), gemm_threads(kRows), tiles.shared_bytes, gemm.queue.stream()},
         gemm_bf16_kernel<Decoder, kRows>, gemm.arguments);
}

// The compiled code for a list of types.
template <typename Types>
struct GemmBf16 {
  static int64_t shared_bytes(DType weight, RowFormat, const GemmTiles& tiles) {
    int64_t bytes = 0;
    with_decoder_of(Types{}, weight, [&]<typename D>(DecoderType<D>) {
      using Decoder = typename Bf16Decoder<D>::Type;
      bytes = tiles.rows == kWideRows ? Bf16Memory<Decoder, kWideRows>::kWorkBegin
                                      : Bf16Memory<Decoder, kNarrowRows>::kWorkBegin;
    });
    return bytes;
  }

  static void launch(const GemmLaunch& gemm) {
    with_decoder_of(Types{}, gemm.arguments.dtype, [&]<typename D>(DecoderType<D>) {
      using Decoder = typename Bf16Decoder<D>::Type;
      gemm.plan.tiles.rows == kWideRows ? launch_gemm_bf16<Decoder, kWideRows>(gemm)
                                        : launch_gemm_bf16<Decoder, kNarrowRows>(gemm);
    });
  }

  static constexpr GemmCode kCode = {shared_bytes, launch};
};

}  // namespace gesso::cuda
