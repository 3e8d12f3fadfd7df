// How a block of gemm_wgmma_sm90a.cu uses its shared memory: rings of rows of x and of raw weights. Both are copied in
// order, so that each thread only moves its pointers on.
#pragma once

#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/blocks.h"
#include "cuda/decode/floats.h"
#include "cuda/decode/super_blocks.h"
#include "cuda/decode/wide_fragments.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_store.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"

namespace gesso::cuda {

// How a block uses its shared memory. It begins at a multiple of kSwizzledTileAlignment.
template <DType kFormat, int kRows, int kGroups>
struct WgmmaMemory {
  using Decoder = TileDecoder<kFormat>;
  using Fragments = FragmentDecoder<kFormat>;
  static constexpr int kThreads = kGroups * kGemmThreads;
  static constexpr int kSpanSteps = RawSpan<Decoder>::kSteps;
  static_assert(kSpanSteps == wgmma_span_steps(kFormat));
  // With half a span the loop takes more registers than Q5_K leaves where four groups share them.
  static constexpr bool kIsStageSpan = kSpanSteps <= 2 || (kFormat == DType::kQ5_K && kGroups == kWgmmaGroups);
  static constexpr int kStageSteps = kIsStageSpan ? kSpanSteps : 2;

  // Copies of weights begin a span ahead. Those of rows begin one stage ahead where a stage is a span, else two stages.
  static constexpr int kRawSlots = 2;
  static constexpr int kRowSlots = kIsStageSpan ? 2 : 3;
  static constexpr int kInFlight = kRowSlots - 2;  // groups of copies that may be on their way when a stage begins
  static constexpr int kStepBytes = kRows * kSwizzledRowBytes;  // rows of x of a step
  static constexpr int kRowSlotBytes = kStageSteps * kStepBytes;
  static constexpr int kPitch = (RawSpan<Decoder>::kPieces | 1) * 16;  // from the window of a weight row to the next
  static constexpr int kRawSlotBytes = kTileWeightRows * kPitch;       // of a group
  static constexpr int kScaleBytes = 16 * Fragments::kScalePitch;      // of a warp

  static constexpr int kRowsBegin = 0;
  static constexpr int kRawBegin = kRowsBegin + kRowSlots * kRowSlotBytes;
  static constexpr int kScalesBegin = kRawBegin + kGroups * kRawSlots * kRawSlotBytes;
  static constexpr int kBytes = kScalesBegin + kThreads / kWarpSize * kScaleBytes;
  static_assert(kBytes + kSwizzledTileAlignment <= 227 * 1024);
  static_assert(kGroups * staged_bytes(kRows) <= kBytes);
};

// The ring of the tile's rows of x, which follow one another in memory. All threads of the block copy.
template <typename Memory>
class WgmmaRows {
 public:
  __device__ WgmmaRows(const GemmArguments& arguments, const TileWork& work, uint8_t* ring)
      : first_(wgmma_operand(ring, 0)),
        target_(ring + piece() / kStepPieces * Memory::kStepBytes + swizzled_offset(row(), piece() % kStepPieces)),
        source_(arguments.x + (work.first_row + row()) * arguments.x_row_bytes + work.first_step * kSwizzledRowBytes +
                16 * piece()),
        row_bytes_(arguments.x_row_bytes),
        rows_left_(work.num_rows - row()),
        end_step_(work.end_step - (Memory::Fragments::kWholeSpans ? 0 : piece() / kStepPieces)) {}

  // Starts the copies of the next stage, whose first step is `step`. Rows that the tile does not have are not copied.
  // Whatever lies in their place is multiplied, and the result is not stored.
  __device__ void copy(int slot, int step) {
    uint8_t* target = target_ + slot * Memory::kRowSlotBytes;
    const int rows_left = step < end_step_ ? rows_left_ : 0;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      if (i * kCopiedRows < rows_left) {
        copy_async_16(target + i * kCopiedRows * kSwizzledRowBytes, source_ + i * kCopiedRows * row_bytes_);
      }
    }
    source_ += 16 * kPieces;
  }

  // The operand of a stage's first 16 columns. Others are further on.
  __device__ WgmmaOperand operand(int slot) const { return further_on(first_, slot * Memory::kRowSlotBytes); }

 private:
  static constexpr int kStepPieces = kSwizzledRowBytes / 16;
  static constexpr int kPieces = Memory::kStageSteps * kStepPieces;
  static constexpr int kCopiedRows = Memory::kThreads / kPieces;  // at once
  static constexpr int kRows = Memory::kStepBytes / kSwizzledRowBytes;
  static constexpr int kRowsPerThread = (kRows + kCopiedRows - 1) / kCopiedRows;  // of some threads one less
  static_assert(kCopiedRows % 8 == 0, "the rows of a thread have the same swizzle");

  __device__ static int piece() { return static_cast<int>(threadIdx.x) % kPieces; }
  __device__ static int row() { return static_cast<int>(threadIdx.x) / kPieces; }

  WgmmaOperand first_;
  uint8_t* target_;
  const std::byte* source_;
  int64_t row_bytes_;
  int rows_left_;  // how many rows the tile has from the thread's first one on
  int end_step_;   // stages from this step on have nothing for the thread to copy; whole spans are whole stages
};

// What a thread keeps of a row for the next step: nothing, or what the decoder says.
template <typename Fragments>
struct KeptBytes {};
template <typename Fragments>
  requires requires { typename Fragments::Bytes; }
struct KeptBytes<Fragments> {
  typename Fragments::Bytes of_row;
};

// The rings of raw weights, one for each warpgroup, and the fragments that a thread makes of them. As in raw_tile.cuh,
// the window of whole 16-byte pieces around a row's span is copied, and the windows are an odd number of pieces apart.
template <typename Memory>
class WgmmaWeights {
 public:
  using Decoder = typename Memory::Decoder;
  using Fragments = typename Memory::Fragments;

  __device__ WgmmaWeights(const GemmArguments& arguments, const TileWork& work, uint8_t* rings, uint8_t* scales)
      : scales_(scales + static_cast<int>(threadIdx.x) / kWarpSize * Memory::kScaleBytes) {
    uint8_t* ring = rings + static_cast<int>(threadIdx.x) / kGemmThreads * Memory::kRawSlots * Memory::kRawSlotBytes;
    const int row_begin = work.first_step / Memory::kSpanSteps * kSpanBytes;
    target_ = ring + place(copied_row(0), arguments.row_bytes) + 16 * copied_piece();
    row_ = ring + place(fragment_row(0), arguments.row_bytes);
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      sources_[i] = weight_row(arguments, work, copied_row(i)) + row_begin + 16 * copied_piece();
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      begins_[i] = offset_in_window(weight_row(arguments, work, fragment_row(i)) + row_begin);
    }
  }

  // Starts the copies of the next span. From its first column on the row has `columns` columns.
  __device__ void copy(int slot, int columns) {
    uint8_t* target = target_ + slot * Memory::kRawSlotBytes;
    const bool is_whole = Fragments::kWholeSpans || columns >= Decoder::kSpanColumns;
    const int bytes = is_whole ? kSpanBytes : columns * kSpanBytes / Decoder::kSpanColumns;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const int offset = offset_in_window(sources_[i]);
#pragma unroll
      for (int piece = 0; piece < RawSpan<Decoder>::kPieces; piece += kThreadsPerRow) {
        if (16 * (piece + copied_piece()) < offset + bytes) {
          copy_async_16(target + i * kCopiedRows * Memory::kPitch + 16 * piece, sources_[i] - offset + 16 * piece);
        }
      }
      sources_[i] += kSpanBytes;
    }
  }

  // Makes the scales of the span in a slot. It must come behind a barrier.
  __device__ void prepare(int slot) const {
    if constexpr (Fragments::kScalePitch > 0) {
      static_assert(Decoder::kAlignment == 16);
      const int lane = lane_index(), row = lane % 16;  // all rows begin alike
      const uint8_t* span = row_ + place(row, 0) - place(lane / 4, 0) + slot * Memory::kRawSlotBytes;
      Fragments::prepare(span, scales_ + row * Fragments::kScalePitch, lane / 16);
      sync_warp();
    }
  }

  // Decodes a step of the span. a[q] is the fragment of its columns 16q to 16q + 15. The steps of a stage follow one
  // another.
  __device__ void decode(int slot, int step, int columns_left, uint32_t (&a)[4][4]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int offset = Decoder::kAlignment == 16 ? 0 : static_cast<int>(static_cast<unsigned>(begins_[i]) % 16);
      const uint8_t* span = row_ + slot * Memory::kRawSlotBytes + 8 * i * Memory::kPitch + offset;
      uint32_t pairs[8];
      if constexpr (requires { kept_[i].of_row; }) {
        static_assert(Memory::kStageSteps % 2 == 0);
        if (step % 2 == 0) kept_[i].of_row = Fragments::load(span, step);
        Fragments::decode(span, kept_[i].of_row, step, pairs);
      } else {
        const uint8_t* scales = scales_ + (lane_index() / 4 + 8 * i) * Fragments::kScalePitch;
        Fragments::decode(span, scales, step, columns_left, pairs);
      }
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        a[q][i] = pairs[2 * q];
        a[q][2 + i] = pairs[2 * q + 1];
      }
    }
  }

  // What is decoded next is in the next span.
  __device__ void advance() {
#pragma unroll
    for (int& begin : begins_) begin += kSpanBytes;
  }

 private:
  static constexpr int kSpanBytes = Decoder::kMaxSpanBytes;
  static constexpr int kThreadsPerRow = 4;  // they copy 64 bytes of a row at once
  static constexpr int kCopiedRows = kGemmThreads / kThreadsPerRow;
  static constexpr int kRowsPerThread = kTileWeightRows / kCopiedRows;

  __device__ static int copied_piece() { return static_cast<int>(threadIdx.x) % kThreadsPerRow; }
  __device__ static int copied_row(int i) {
    return static_cast<int>(threadIdx.x) % kGemmThreads / kThreadsPerRow + i * kCopiedRows;
  }
  __device__ static int fragment_row(int i) {
    return static_cast<int>(threadIdx.x) % kGemmThreads / kWarpSize * 16 + lane_index() / 4 + 8 * i;
  }

  // Where the window of a row lies in a slot. A warp reads 8 bytes of 8 neighbouring rows at once, and they should be
  // in different banks. Example: rows of 2244 bytes (Q8_0, 2112 columns) begin 0, 4, 8, 12, 0, ... bytes behind a
  // multiple of 16. If each row is a piece of 16 bytes before the one above it, the bytes of two neighbours are 12
  // bytes apart, or 28. Rows that begin 0, 12, 8, 4, 0, ... bytes behind go the other way. Windows are an odd number of
  // pieces apart, and the square of an odd number is 1 modulo 8. So place n * kPitch of a group of 8 is n pieces on in
  // the banks if n is (kPitch / 16 * n) % 8.
  __device__ static int place(int row, int64_t row_bytes) {
    const int piece = row_bytes % 16 > 8 ? row : -row;
    return (row - row % 8 + (Memory::kPitch / 16 * piece & 7)) * Memory::kPitch;
  }

  __device__ static int offset_in_window(const std::byte* address) {
    return Decoder::kAlignment == 16 ? 0 : static_cast<int>(reinterpret_cast<uintptr_t>(address) % 16);
  }

  uint8_t* scales_;     // of the warp
  uint8_t* target_;     // of the thread's copies
  const uint8_t* row_;  // the window of the first row that the thread decodes; the other is 8 rows on
  const std::byte* sources_[kRowsPerThread];
  int begins_[2];                 // where the spans of the decoded rows begin, modulo 16
  KeptBytes<Fragments> kept_[2];  // of the decoded rows
};

}  // namespace gesso::cuda
