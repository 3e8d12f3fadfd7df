// How gemm_fp4_sm120a.cu brings its operands from shared memory to registers: weights as the file has them, and rows of
// x as sums of 4-bit floats.
#pragma once

#include "cuda/decode/blocks.h"
#include "cuda/decode/words.h"
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"
#include "cuda/device/mma.h"
#include "cuda/device/mma_fp4.h"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"
#include "cuda/gemm/pack/fp4_activations.h"

namespace gesso::cuda {

// 64 columns of a weight row: eight words with 8 values each, and the scales. `bytes` points to the first byte.
struct NvFp4Weights {
  using Decoder = TileDecoder<DType::kNVFP4>;
  static constexpr int kStepBytes = 36;

  __device__ static uint32_t values(const uint8_t* bytes, int i) { return load_from<uint32_t>(bytes + 4 + 4 * i); }

  // As in quant/blocks/nvfp4.h, the sign of a scale is ignored, and a NaN (0x7f, 0xff) counts as 0.
  __device__ static uint32_t scales(const uint8_t* bytes, bool) {
    const uint32_t scales = load_from<uint32_t>(bytes) & 0x7f7f7f7fu;
    const uint32_t nans = (scales + 0x01010101u) >> 7 & 0x01010101u;
    return scales & ~(nans * 0x7fu);
  }

  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                  uint32_t scales_b) {
    mma_nvfp4(d, a, b, scales_a, scales_b);
  }
};

// Here the same 64 columns are two blocks, which may begin at any address. A scale of 255 makes the sums of its block
// NaN; no encoder writes it.
struct MxFp4Weights {
  using Decoder = TileDecoder<DType::kMXFP4>;
  static constexpr int kStepBytes = 34;

  __device__ static uint32_t values(const uint8_t* bytes, int i) {
    uint32_t word[1];
    load_words<1>(bytes + i / 4 * 17 + 1 + i % 4 * 4, word);
    return word[0];
  }

  // A row may end with the first block. Behind it x is zero, but whatever lies in the place of a second scale could
  // make the product NaN.
  __device__ static uint32_t scales(const uint8_t* bytes, bool has_second) {
    return load_from<uint8_t>(bytes) | (has_second ? uint32_t{load_from<uint8_t>(bytes + 17)} << 8 : 0u);
  }

  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                  uint32_t scales_b) {
    mma_mxfp4(d, a, b, scales_a, scales_b);
  }
};

// The part of a step's weights that a lane holds for its warp.
template <int kWeightTiles>
struct WeightFragments {
  uint32_t values[kWeightTiles][4];
  uint32_t scales[kWeightTiles];
};

// Reads the weight rows of a lane from the raw spans: rows g and g + 8 of each of its warp's tiles (device/mma.h says
// what g and t are).
//
// Bank conflicts: a load of values takes four neighbouring words of 8 rows, one for each t, and these 32 words need all
// 32 banks. Where rows of NVFP4 begin alike, the windows of 8 rows are in different pieces of the banks' 128 bytes, so
// each word has a bank of its own. Elsewhere the words of some rows reach into the next piece, of others not, and
// whatever the order of the windows is, two of them meet in a bank. For example, of rows of 396 bytes (704 columns) one
// has the words 0 to 3 of a piece, and the next one has word 3 and those behind it. The scales of rows g and g + 8 are
// 16 words in the same place of a piece, and there are 8 pieces, so two meet. No load takes more than two passes.
template <typename Weights, int kRawSlots, int kRows>
class WeightReader {
 public:
  using Warp = WarpTile<kRows>;
  using Span = RawSpan<typename Weights::Decoder>;

  __device__ WeightReader(const GemmArguments& arguments, const TileWork& work, const uint8_t* ring)
      : ring_(ring), num_columns_(arguments.num_columns) {
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        offsets_[m][half] =
            static_cast<int>(reinterpret_cast<uintptr_t>(weight_row(arguments, work, row(m, half))) % 16);
        places_[m][half] = Span::Windows::place(row(m, half), arguments.row_bytes);
      }
    }
  }

  __device__ void read(int step, WeightFragments<Warp::kWeightTiles>& fragments) const {
    const int t = lane_index() % 4;
    const bool has_second = step * kStepColumns + kUnitColumns < num_columns_;
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
      const uint8_t* first = bytes(m, 0, step);
      const uint8_t* second = bytes(m, 1, step);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        fragments.values[m][i] = Weights::values(i % 2 == 0 ? first : second, t + i / 2 * 4);
      }
      fragments.scales[m] = Weights::scales(t % 2 == 0 ? first : second, has_second);
    }
  }

 private:
  __device__ static int row(int m, int half) { return 16 * Warp::weight_tile(m) + lane_index() / 4 + 8 * half; }

  __device__ const uint8_t* bytes(int m, int half, int step) const {
    const int span = step / Span::kSteps;
    const int offset = (offsets_[m][half] + span * Weights::Decoder::span_bytes()) % 16;
    return ring_ + span % kRawSlots * Span::kBytes + places_[m][half] + offset +
           step % Span::kSteps * Weights::kStepBytes;
  }

  const uint8_t* ring_;
  int num_columns_;
  int offsets_[Warp::kWeightTiles][2];  // the rows' addresses modulo 16
  int places_[Warp::kWeightTiles][2];   // where their windows begin in a slot
};

// The part of eight rows of x that a lane holds, with all terms.
template <int kTerms>
struct RowFragments {
  uint32_t values[kTerms][2];
  uint32_t scales[kTerms];

  __device__ explicit RowFragments(const Fp4Activations<kTerms>* rows) {
    const int lane = lane_index();
    const auto* row = reinterpret_cast<const uint8_t*>(rows + lane % 8);
#pragma unroll
    for (int term = 0; term + 1 < kTerms; term += 2) {
      uint32_t two[4];
      load_matrix_x4(two, row + (2 * term + lane / 8) * 16);
      values[term][0] = two[0];
      values[term][1] = two[1];
      values[term + 1][0] = two[2];
      values[term + 1][1] = two[3];
    }
    if constexpr (kTerms % 2 == 1) load_matrix_x2(values[kTerms - 1], row + (2 * (kTerms - 1) + lane / 8 % 2) * 16);
#pragma unroll
    for (int term = 0; term < kTerms; ++term) scales[term] = load_from<uint32_t>(&rows[lane / 4].scales[term]);
  }
};

// A ring of kSlots steps of the tile's rows of x, as they were packed, row after row. Step s is in slot s % kSlots.
template <int kTerms, int kRows, int kSlots>
class Fp4RowTile {
 public:
  using Chunk = Fp4Activations<kTerms>;
  static constexpr int kBytes = kSlots * kRows * static_cast<int>(sizeof(Chunk));

  __device__ explicit Fp4RowTile(uint8_t* ring) : ring_(reinterpret_cast<Chunk*>(ring)) {}

  __device__ void begin(const GemmArguments& arguments, const TileWork& work) {
    num_pieces_ = WarpTile<kRows>::num_row_tiles(work) * 8 * kPieces;
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int piece = copied_piece(i);
      if (piece >= num_pieces_) continue;
      sources_[i] =
          arguments.x + x_row(arguments, work, piece / kPieces) * arguments.x_row_bytes + piece % kPieces * 16;
    }
  }

  // Starts the copies of a step, but only of rows that are multiplied.
  __device__ void copy(int step) {
    auto* slot = reinterpret_cast<uint8_t*>(ring_ + step % kSlots * kRows);
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      if (copied_piece(i) >= num_pieces_) continue;
      copy_async_16(slot + copied_piece(i) * 16, sources_[i] + step * static_cast<int64_t>(sizeof(Chunk)));
    }
  }

  __device__ const Chunk* slot(int step) const { return ring_ + step % kSlots * kRows; }

 private:
  static constexpr int kThreads = gemm_threads(kRows);
  static constexpr int kPieces = sizeof(Chunk) / 16;
  static constexpr int kCopies = (kRows * kPieces + kThreads - 1) / kThreads;

  __device__ static int copied_piece(int i) { return static_cast<int>(threadIdx.x) + i * kThreads; }

  Chunk* ring_;
  const std::byte* sources_[kCopies] = {};
  int num_pieces_ = 0;
};

}  // namespace gesso::cuda
