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
#include "cuda/device/warp.h"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"
#include "cuda/gemm/pack/fp4_activations.h"

namespace gesso::cuda {

// Where the pieces of 16 bytes of weight rows lie: the first piece of each of eight rows, then their second pieces, and
// so on. So all pieces of a row are in the same 4 of the 32 banks, and those of eight rows are in different ones. A
// load of values takes four neighbouring words of eight rows. They are in 32 banks, wherever in a piece each row
// begins.
template <int kPieces>
struct InterleavedWindows {
  static constexpr int kPiecePitch = 8 * 16;
  static constexpr int bytes(int num_rows) { return num_rows * kPieces * 16; }
  __device__ static int place(int row, int64_t) { return row / 8 * (8 * kPieces * 16) + row % 8 * 16; }

  // Where the aligned word with byte i of the window at `place` is: 128 (i / 16) + i % 16 / 4 * 4 behind the place.
  __device__ static int word(int place, int i) { return (i & ~15) * 8 + (place | (i & 12)); }

  // Copies write 16 bytes of eight threads at once: two pieces of four rows. Four pieces of two rows would take longer,
  // since the pieces of a row are in the same banks. One piece of eight rows would read half a sector of each row.
  __device__ static int copied_row(int thread) { return thread / kWarpSize * 8 + thread / 2 % 8; }
  __device__ static int copied_piece(int thread) { return thread / 16 % 2 * 2 + thread % 2; }
};

// A span of 64 weight rows whose windows lie so.
template <typename Decoder>
struct Fp4Span : RawSpan<Decoder> {
  using Windows = InterleavedWindows<RawSpan<Decoder>::kPieces>;
  static constexpr int kBytes = Windows::bytes(kTileWeightRows);
};

// Where a span of a weight row lies: in the window at this place of a slot, `begin` bytes behind its first byte.
struct Fp4Row {
  int place;
  int begin;
};

// What a lane reads of 16 weight rows of NVFP4: of rows g and g + 8 the words t and t + 4 of the step's values, and in
// lanes t = 0 and 1 the scales that mma_fp4.h asks for (it says what g and t are). 64 columns are a word of four scales
// and eight words of values.
class NvFp4Weights {
 public:
  using Decoder = TileDecoder<DType::kNVFP4>;

  // `step` counts from the first step of the span, 0 to 3. The steps of a span come one after another.
  __device__ uint32_t read(const uint8_t* slot, const Fp4Row (&rows)[2], int step, bool, bool, uint32_t (&values)[4]) {
    if (step == 0) read_scales(slot, lane_index() % 2 == 0 ? rows[0] : rows[1]);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint8_t* word =
          slot + Windows::word(rows[i].place, rows[i].begin + kStepBytes * step + 4 + lane_index() % 4 * 4);
      values[i] = load_from<uint32_t>(word);
      values[i + 2] = load_from<uint32_t>(word + Windows::kPiecePitch);
    }
    return shuffle_xor(step < 2 ? scales_[0] : scales_[1], step % 2 * 2);
  }

  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                  uint32_t scales_b) {
    mma_nvfp4(d, a, b, scales_a, scales_b);
  }

 private:
  using Windows = Fp4Span<Decoder>::Windows;
  static constexpr int kStepBytes = 36;

  // Rows g and g + 8 are in the same four banks, and if they begin alike, the scales of both are in one bank. A step
  // has nine words, so the scales of the next step are one bank on. The scales of a span are read in two loads. In the
  // first one, lanes t = 0 and 2 read steps 0 and 1 of row g, while lanes t = 1 and 3 read steps 2 and 3 of row g + 8.
  __device__ void read_scales(const uint8_t* slot, const Fp4Row& row) {
    const bool is_odd = lane_index() % 2 == 1;
    const int step = lane_index() % 4 / 2 + (is_odd ? 2 : 0);
    const uint32_t first = scales_at(slot, row, step), second = scales_at(slot, row, step ^ 2);
    scales_[0] = is_odd ? second : first;
    scales_[1] = is_odd ? first : second;
  }

  // As in quant/blocks/nvfp4.h, the sign of a scale is ignored, and a NaN (0x7f, 0xff) counts as 0.
  __device__ static uint32_t scales_at(const uint8_t* slot, const Fp4Row& row, int step) {
    const uint8_t* word = slot + Windows::word(row.place, row.begin + kStepBytes * step);
    const uint32_t scales = load_from<uint32_t>(word) & 0x7f7f7f7fu;
    const uint32_t nans = (scales + 0x01010101u) >> 7 & 0x01010101u;
    return scales & ~(nans * 0x7fu);
  }

  uint32_t scales_[2] = {};  // of steps 0 and 2 of the span in lanes t = 0 and 1, of steps 1 and 3 in lanes t = 2 and 3
};

// The same of MXFP4. Here 64 columns are two blocks of a byte of scale and 16 bytes of values. Where rows have an even
// number of blocks, a step begins at an even address. Then two neighbouring words have what a lane needs of the first
// block, for t = 0 with the scale. The same words of the next piece have it of the second block, one byte further on.
// Elsewhere the second block may need a third word. A load of scales alone would take two passes. A scale of 255 makes
// the sums of its block NaN; no encoder writes it.
class MxFp4Weights {
 public:
  using Decoder = TileDecoder<DType::kMXFP4>;

  // A row with an odd number of blocks ends with the first block of a step. Behind it x is zero, but whatever lies in
  // the place of a second scale could make the product NaN.
  __device__ uint32_t read(const uint8_t* slot, const Fp4Row (&rows)[2], int step, bool is_even, bool has_second,
                           uint32_t (&values)[4]) {
    const uint8_t* pieces = slot + 2 * Windows::kPiecePitch * step;
    const int lane_begin = lane_index() % 4 * 4 + 2 * step;  // and two pieces for each step
    Block blocks[2][2];                                      // of each row
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int begin = rows[i].begin + lane_begin;
      const uint8_t* low = pieces + Windows::word(rows[i].place, begin);
      const uint8_t* high = pieces + Windows::word(rows[i].place, begin + 4);
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        blocks[i][k] = {
            {load_from<uint32_t>(low + k * Windows::kPiecePitch), load_from<uint32_t>(high + k * Windows::kPiecePitch)},
            begin % 4 + k};
      }
    }
    if (!is_even) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        Block& second = blocks[i][1];
        if (second.scale == 4) {
          const int word = Windows::word(rows[i].place, rows[i].begin + lane_begin + 8);
          second = {{second.words[1], load_from<uint32_t>(pieces + word + Windows::kPiecePitch)}, 0};
        }
        if (!has_second) second.words[0] = 0;
      }
    }
    uint32_t scales[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const Block& block = blocks[i][k];
        values[i + 2 * k] = permute_bytes(block.words[0], block.words[1], 0x4321 + 0x1111 * block.scale);
      }
      scales[i] = permute_bytes(blocks[i][0].words[0], blocks[i][1].words[0],
                                0x40 + blocks[i][0].scale + 16 * blocks[i][1].scale);
    }
    return shuffle(permute_bytes(scales[0], scales[1], 0x5410), lane_index() & ~3) >> lane_index() % 2 * 16;
  }

  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                  uint32_t scales_b) {
    mma_mxfp4(d, a, b, scales_a, scales_b);
  }

 private:
  using Windows = Fp4Span<Decoder>::Windows;

  // The words with a lane's part of a block, and the place in them where the scale is for t = 0. The lane's values
  // begin behind it.
  struct Block {
    uint32_t words[2];
    int scale;
  };
};

// The part of a step's weights that a lane holds for its warp.
template <int kWeightTiles>
struct WeightFragments {
  uint32_t values[kWeightTiles][4];
  uint32_t scales[kWeightTiles];
};

// Reads the weight rows of a lane from the raw spans, for each of its warp's tiles.
template <typename Weights, int kRawSlots, int kRows>
class WeightReader {
 public:
  using Warp = WarpTile<kRows>;
  using Span = Fp4Span<typename Weights::Decoder>;

  __device__ WeightReader(const GemmArguments& arguments, const TileWork& work, const uint8_t* ring)
      : ring_(ring),
        num_columns_(arguments.num_columns),
        is_even_(((address(arguments, work, 0) | address(arguments, work, 8) | arguments.row_bytes) & 1) == 0) {
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = 16 * Warp::weight_tile(m) + lane_index() / 4 + 8 * half;
        offsets_[m][half] = static_cast<int>(address(arguments, work, row) % 16);
        places_[m][half] = Span::Windows::place(row, arguments.row_bytes);
      }
    }
  }

  // The steps of a tile must come one after another, from the first step of a span on.
  __device__ void read(int step, WeightFragments<Warp::kWeightTiles>& fragments) {
    const int span = Span::of_step(step);
    const uint8_t* slot = ring_ + ring_slot<kRawSlots>(span) * Span::kBytes;
    const bool has_second = step * kStepColumns + kUnitColumns < num_columns_;
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
      Fp4Row rows[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        rows[half] = {places_[m][half], (offsets_[m][half] + span * Weights::Decoder::span_bytes()) % 16};
      }
      fragments.scales[m] =
          weights_[m].read(slot, rows, ring_slot<Span::kSteps>(step), is_even_, has_second, fragments.values[m]);
    }
  }

 private:
  __device__ static uintptr_t address(const GemmArguments& arguments, const TileWork& work, int row) {
    return reinterpret_cast<uintptr_t>(weight_row(arguments, work, row));
  }

  const uint8_t* ring_;
  int num_columns_;
  bool is_even_;                        // all rows of the tile begin at even addresses
  int offsets_[Warp::kWeightTiles][2];  // the rows' addresses modulo 16
  int places_[Warp::kWeightTiles][2];   // where their windows begin in a slot
  Weights weights_[Warp::kWeightTiles];
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
