// How a block of gemm_experts_wgmma_sm90a.cu uses its shared memory: rings of rows of x and of raw weights.
//
// Both are copied in order, so that each thread only moves its pointers on. `thread` is the thread's place in the
// block, as thread_index_anew() gives it.
#pragma once

#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/half_fragments.h"
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

// The window of whole 16-byte pieces around the span of a weight row.
template <typename Decoder>
struct RawWindow {
  int bytes;   // of the span
  int pieces;  // at most
  int pitch;   // bytes from the window of a row to the next one: an odd number of pieces

  constexpr explicit RawWindow(int steps)
      : bytes(steps * kStepColumns * Decoder::kMaxSpanBytes / Decoder::kSpanColumns),
        pieces((16 - Decoder::kAlignment + bytes + 15) / 16),
        pitch((pieces | 1) * 16) {}
};

// The windows of a warpgroup's rows, an odd number of pieces apart. Eight rows are read at once. They are in different
// banks if they begin alike in their windows.
//
// Rows of 748 bytes (Q8_0, 704 columns) begin 0, 12, 8, 4, 0, ... bytes behind a multiple of 16, and what is read of a
// row may reach into the next piece. So the windows of 8 rows are put in such an order that the row in the next piece
// of the banks' 128 bytes begins less far behind: 12, 8, 4, 0.
template <typename Decoder, int kSteps>
struct RawWindows {
  static constexpr RawWindow<Decoder> kWindow{kSteps};
  static constexpr int kSpanBytes = kWindow.bytes, kPitch = kWindow.pitch;
  static constexpr bool kBeginsAlike = kSpanBytes % 16 == 0;  // all spans of a row begin alike in their windows

  // Where the window of a row begins.
  __device__ static int place(int row, int64_t row_bytes) {
    if (Decoder::kAlignment == 16) return row * kPitch;
    const int turn = row_bytes % 16 < 8 ? 8 - row % 8 : row % 8;
    return (row / 8 * 8 + turn * (kPitch / 16) % 8) * kPitch;
  }

  // Where a span that lies at an address in memory begins in its window.
  __device__ static int begin(const std::byte* address) {
    return Decoder::kAlignment == 16 ? 0 : static_cast<int>(reinterpret_cast<uintptr_t>(address) % 16);
  }
};

// A block's shared memory begins at a multiple of kSwizzledTileAlignment. A span is what is copied at once: columns of
// the weight rows and of the rows of x. The longer it is, the fewer instructions its copies and barriers take.
template <DType kFormat, int kRows>
struct ExpertMemory {
  using Decoder = TileDecoder<kFormat>;
  using Fragments = HalfFragments<kFormat>;
  static constexpr bool kIsNarrow = kRows == kNarrowRows;
  static constexpr int kThreads = kExpertThreads;
  static constexpr int kWordBytes = 16 * Fragments::kPartSteps * Fragments::kStepWords * 4;  // a warp's
  static constexpr int kStepBytes = kRows * kSwizzledRowBytes;                               // rows of x of a step
  // With narrow tiles the results have their own place, so that they are stored while the next tile is copied. Two
  // blocks share a multiprocessor's memory.
  static constexpr int kStagedBytes = kIsNarrow ? kExpertGroups * staged_bytes(kRows) : 0;
  static constexpr int kRowScaleBytes = kRows * static_cast<int>(sizeof(float));
  static constexpr int kMaxBytes = (kIsNarrow ? 113 : 227) * 1024 - kSwizzledTileAlignment - kWorkListRoom -
                                   kThreads / kWarpSize * kWordBytes - kRowScaleBytes - kStagedBytes;

  static constexpr int raw_slot_bytes(int steps) { return kTileWeightRows * RawWindow<Decoder>(steps).pitch; }
  static constexpr int slot_bytes(int steps) { return steps * kStepBytes + kExpertGroups * raw_slot_bytes(steps); }

  static constexpr int kSpanSteps = 2 * slot_bytes(4) <= kMaxBytes ? 4 : 2;
  static constexpr int kSlots = 3 * slot_bytes(kSpanSteps) <= kMaxBytes ? 3 : 2;  // one is multiplied, others arrive
  static constexpr int kRowSlotBytes = kSpanSteps * kStepBytes;
  static constexpr int kRawSlotBytes = raw_slot_bytes(kSpanSteps);
  using Windows = RawWindows<Decoder, kSpanSteps>;
  // Where there is room for it, a slot is there for every span of rows of up to 12 steps. Then they are copied once for
  // a run of tiles. The product behind the experts' activation has such rows, of 704 columns, and runs of 22 tiles.
  static constexpr int kKeptSpans = 12 / kSpanSteps;
  static constexpr int kKeptBytes = kKeptSpans * kRowSlotBytes + kSlots * kExpertGroups * kRawSlotBytes;
  static constexpr bool kKeepsRows = (kKeptSpans > kSlots) && (kKeptBytes <= kMaxBytes);
  static constexpr int kRowSlots = kKeepsRows ? kKeptSpans : kSlots;

  static constexpr int kRowsBegin = 0;
  static constexpr int kRawBegin = kRowsBegin + kRowSlots * kRowSlotBytes;
  static constexpr int kWordsBegin = kRawBegin + kExpertGroups * kSlots * kRawSlotBytes;
  static constexpr int kRowScalesBegin = kWordsBegin + kThreads / kWarpSize * kWordBytes;
  static constexpr int kResultsBegin = kRowScalesBegin + kRowScaleBytes;
  static constexpr int kStagedBegin = kIsNarrow ? kResultsBegin : 0;
  static constexpr int kWorkBegin = kResultsBegin + kStagedBytes;
  static_assert(kRowSlots * kRowSlotBytes + kSlots * kExpertGroups * kRawSlotBytes <= kMaxBytes);
  static_assert(kSpanSteps % Fragments::kPartSteps == 0);
  static_assert(kStagedBegin + kExpertGroups * staged_bytes(kRows) <= kWorkBegin);
};

// The slots of the tile's rows of x. All threads of the block copy.
template <typename Memory, int kRows>
class ExpertRows {
 public:
  __device__ ExpertRows(const GemmArguments& arguments, const TileWork& work, int thread, uint8_t* ring)
      : first_(wgmma_operand(ring, 0)),
        target_(ring + piece(thread) / kStepPieces * Memory::kStepBytes +
                swizzled_offset(row(thread, 0), piece(thread) % kStepPieces)),
        source_(arguments.x + 16 * piece(thread)),
        num_rows_(work.num_rows - row(thread, 0)),
        end_step_(arguments.num_steps - piece(thread) / kStepPieces) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      pieces_[i] = static_cast<uint32_t>(x_row(arguments, work, row(thread, i)) * (arguments.x_row_bytes / 16));
    }
  }

  // Starts the copies of the next span, whose first step is `step`. Rows that the tile does not have become zero. They
  // are multiplied, and the result is not stored.
  __device__ void copy(int slot, int step) {
    uint8_t* target = target_ + slot * Memory::kRowSlotBytes;
    const int num_rows = step < end_step_ ? num_rows_ : 0;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      copy_async_16(target + i * kCopiedRows * kSwizzledRowBytes, source_ + uint64_t{pieces_[i]} * 16,
                    i * kCopiedRows < num_rows);
    }
    source_ += 16 * kPieces;
  }

  // The next copy begins with the first span again. num_spans have been copied.
  __device__ void rewind(int num_spans) { source_ -= num_spans * 16 * kPieces; }

  // The operand of a span's first 16 columns. Others are further on.
  __device__ WgmmaOperand operand(int slot) const { return further_on(first_, slot * Memory::kRowSlotBytes); }

 private:
  static constexpr int kStepPieces = kSwizzledRowBytes / 16;
  static constexpr int kPieces = Memory::kSpanSteps * kStepPieces;
  static constexpr int kCopiedRows = Memory::kThreads / kPieces;  // at once
  static constexpr int kRowsPerThread = (kRows + kCopiedRows - 1) / kCopiedRows;
  static_assert(kCopiedRows % 8 == 0, "the rows of a thread have the same swizzle");
  static_assert(kRows % kCopiedRows == 0, "no thread copies a row that the tile does not have");

  __device__ static int piece(int thread) { return thread % kPieces; }
  __device__ static int row(int thread, int i) { return thread / kPieces + i * kCopiedRows; }

  WgmmaOperand first_;
  uint8_t* target_;
  const std::byte* source_;
  uint32_t pieces_[kRowsPerThread];  // from row 0 of x to the thread's rows, in pieces of 16 bytes
  int num_rows_;                     // of the tile, from the thread's first row on
  int end_step_;                     // spans from this step on have nothing to copy
};

// The ring of a warpgroup's raw weights. As in raw_tile.cuh, the window of whole 16-byte pieces around a row's span is
// copied.
template <typename Memory>
class ExpertWeights {
 public:
  using Decoder = typename Memory::Decoder;
  using Windows = typename Memory::Windows;

  __device__ ExpertWeights(const GemmArguments& arguments, const TileWork& work, int thread, uint8_t* ring)
      : piece_(thread % kThreadsPerRow),
        target_(ring + Windows::place(copied_row(thread, 0), arguments.row_bytes) + 16 * piece_) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const std::byte* row = weight_row(arguments, work, copied_row(thread, i));
      skipped_[i] = Windows::begin(row) - 16 * piece_;
      sources_[i] = row - skipped_[i];
    }
  }

  // Starts the copies of the next span. From its first column on the row has `columns` columns, or there is no such
  // span.
  __device__ void copy(int slot, int columns) {
    uint8_t* target = target_ + slot * Memory::kRawSlotBytes;
    const bool is_whole = Memory::Fragments::kWholeSpans || columns >= kSpanColumns;
    const int bytes = is_whole ? Windows::kSpanBytes : columns * Windows::kSpanBytes / kSpanColumns;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
#pragma unroll
      for (int piece = 0; piece < Windows::kWindow.pieces; piece += kThreadsPerRow) {
        copy_async_16_if(16 * piece < skipped_[i] + bytes, target + i * kCopiedRows * Windows::kPitch + 16 * piece,
                         sources_[i] + 16 * piece);
      }
      move(i, Windows::kSpanBytes);
    }
  }

  // The next copy is of the first span of rows that lie `distance` bytes further on, a multiple of 16. num_spans have
  // been copied.
  __device__ void go_on(int num_spans, int64_t distance) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) move(i, distance - int64_t{num_spans} * Windows::kSpanBytes);
  }

 private:
  static constexpr int kSpanColumns = Memory::kSpanSteps * kStepColumns;
  static constexpr int kThreadsPerRow = 4;  // they copy 64 bytes of a row at once
  static constexpr int kCopiedRows = kGemmThreads / kThreadsPerRow;
  static constexpr int kRowsPerThread = kTileWeightRows / kCopiedRows;

  // Eight threads copy 64 bytes of two rows at once. These rows are 4 rows, and so an odd number of times 64 bytes,
  // apart: they are in different banks.
  __device__ static int copied_row(int thread, int i) {
    const int pair = thread % kGemmThreads / (2 * kThreadsPerRow);
    return pair / 4 * 8 + pair % 4 + thread / kThreadsPerRow % 2 * 4 + i * kCopiedRows;
  }

  // Moves the place of a row's next copy, which stays a multiple of 16.
  __device__ void move(int i, int64_t bytes) {
    if constexpr (Windows::kBeginsAlike) {
      sources_[i] += bytes;
    } else {
      const int64_t window = (skipped_[i] + 16 * piece_ + bytes) & ~int64_t{15};
      sources_[i] += window;
      skipped_[i] += static_cast<int>(bytes - window);
    }
  }

  int piece_;                                 // the thread's first of a window
  uint8_t* target_;                           // its place in the window of the thread's first row, in slot 0
  const std::byte* sources_[kRowsPerThread];  // that piece of the next span's window
  int skipped_[kRowsPerThread];               // bytes from there to the span
};

}  // namespace gesso::cuda
