// How a block of gemm_experts_wgmma_sm90a.cu uses its shared memory: rings of rows of x and of raw weights.
//
// Both are copied in order, so that each thread only moves its pointers on. `thread` is the thread's place in the
// block, as thread_index_anew() gives it.
#pragma once

#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/fragments.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_tile.cuh"
#include "cuda/gemm/kernels/raw_tile.cuh"

namespace gesso::cuda {

// A block's shared memory begins at a multiple of kSwizzledTileAlignment. With few rows of x a stage is a whole span,
// with many it is one step.
template <DType kFormat, int kRows>
struct ExpertMemory {
  using Decoder = TileDecoder<kFormat>;
  using Fragments = FragmentDecoder<kFormat>;
  static constexpr bool kIsNarrow = kRows == kNarrowRows;
  static constexpr int kGroups = expert_groups(kRows);
  static constexpr int kThreads = kGroups * kGemmThreads;
  static constexpr int kSpanSteps = RawSpan<Decoder>::kSteps;
  static constexpr int kStageSteps = kIsNarrow ? kSpanSteps : 1;
  static constexpr int kStagesPerSpan = kSpanSteps / kStageSteps;

  static constexpr int kRowSlots = 3;  // a stage is multiplied, two have arrived or are on their way
  static constexpr int kInFlight = 1;  // groups of copies that may be on their way when a stage begins
  static constexpr int kRawSlots = kIsNarrow ? 3 : 2;
  static constexpr int kStepBytes = kRows * kSwizzledRowBytes;  // rows of x of a step
  static constexpr int kRowSlotBytes = kStageSteps * kStepBytes;
  static constexpr int kPitch = (RawSpan<Decoder>::kPieces | 1) * 16;  // from the window of a row to the next one
  static constexpr int kRawSlotBytes = kTileWeightRows * kPitch;
  static constexpr int kScaleBytes = 16 * Fragments::kScalePitch;  // of a warp

  static constexpr int kRowsBegin = 0;
  static constexpr int kRawBegin = kRowsBegin + kRowSlots * kRowSlotBytes;
  static constexpr int kScalesBegin = kRawBegin + kGroups * kRawSlots * kRawSlotBytes;
  static constexpr int kWorkBegin = kScalesBegin + kThreads / kWarpSize * kScaleBytes;
  static_assert(kWorkBegin + kWorkListRoom + kSwizzledTileAlignment <= 227 * 1024);
};

// The ring of the tile's rows of x. All threads of the block copy.
template <typename Memory, int kRows>
class ExpertRows {
 public:
  __device__ ExpertRows(const GemmArguments& arguments, const TileWork& work, int thread, uint8_t* ring)
      : thread_(thread),
        first_(wgmma_operand(ring, 0)),
        target_(ring + piece() / kStepPieces * Memory::kStepBytes + swizzled_offset(row(0), piece() % kStepPieces)) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      end_steps_[i] = row(i) < work.num_rows ? arguments.num_steps - piece() / kStepPieces : 0;
      sources_[i] = arguments.x + x_row(arguments, work, row(i)) * arguments.x_row_bytes + 16 * piece();
    }
  }

  // Starts the copies of the next stage, whose first step is `step`. Rows that the tile does not have are not copied.
  // Whatever lies in their place is multiplied, and the result is not stored.
  __device__ void copy(int slot, int step) {
    uint8_t* target = target_ + slot * Memory::kRowSlotBytes;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      if (step < end_steps_[i]) {
        copy_async_16(target + i * kCopiedRows * kSwizzledRowBytes, sources_[i]);
      }
      sources_[i] += 16 * kPieces;
    }
  }

  // The operand of a stage's first 16 columns. Others are further on.
  __device__ WgmmaOperand operand(int slot) const { return further_on(first_, slot * Memory::kRowSlotBytes); }

 private:
  static constexpr int kStepPieces = kSwizzledRowBytes / 16;
  static constexpr int kPieces = Memory::kStageSteps * kStepPieces;
  static constexpr int kCopiedRows = Memory::kThreads / kPieces;  // at once
  static constexpr int kRowsPerThread = (kRows + kCopiedRows - 1) / kCopiedRows;
  static_assert(kCopiedRows % 8 == 0, "the rows of a thread have the same swizzle");

  __device__ int piece() const { return thread_ % kPieces; }
  __device__ int row(int i) const { return thread_ / kPieces + i * kCopiedRows; }

  int thread_;
  WgmmaOperand first_;
  uint8_t* target_;
  const std::byte* sources_[kRowsPerThread];
  int end_steps_[kRowsPerThread];  // stages from this step on have nothing to copy
};

// The ring of a warpgroup's raw weights, and the fragments that a thread makes of them. As in raw_tile.cuh, the window
// of whole 16-byte pieces around a row's span is copied. The windows are an odd number of pieces apart. So the 8 bytes
// of 8 rows that a warp reads at once are in different banks, if the rows begin alike in their windows.
template <typename Memory>
class ExpertWeights {
 public:
  using Decoder = typename Memory::Decoder;
  using Fragments = typename Memory::Fragments;

  __device__ ExpertWeights(const GemmArguments& arguments, const TileWork& work, int thread, uint8_t* ring,
                           uint8_t* scales)
      : thread_(thread), ring_(ring), scales_(scales) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      sources_[i] = weight_row(arguments, work, copied_row(i)) + 16 * copied_piece();
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) begins_[i] = offset_in_window(weight_row(arguments, work, fragment_row(i)));
  }

  // Starts the copies of the next span. From its first column on the row has `columns` columns, or there is no such
  // span.
  __device__ void copy(int slot, int columns) {
    uint8_t* target = ring_ + slot * Memory::kRawSlotBytes + copied_row(0) * Memory::kPitch + 16 * copied_piece();
    const bool is_whole = Fragments::kWholeSpans || columns >= Decoder::kSpanColumns;
    const int bytes = is_whole ? kSpanBytes : columns * kSpanBytes / Decoder::kSpanColumns;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const int offset = offset_in_window(sources_[i]);
#pragma unroll
      for (int piece = 0; piece < Span::kPieces; piece += kThreadsPerRow) {
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
      const int row = lane() % 16;
      Fragments::prepare(span_of(slot, first_row() + row, 0), scales_ + row * Fragments::kScalePitch, lane() / 16);
      sync_warp();
    }
  }

  // Decodes a step of the span. a[q] is the fragment of its columns 16q to 16q + 15.
  __device__ void decode(int slot, int step, int columns_left, uint32_t (&a)[4][4]) const {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      uint32_t pairs[8];
      const uint8_t* scales = scales_ + (lane() / 4 + 8 * i) * Fragments::kScalePitch;
      Fragments::decode(span_of(slot, fragment_row(i), begins_[i]), scales, step, columns_left, pairs);
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
  using Span = RawSpan<Decoder>;
  static constexpr int kSpanBytes = Decoder::kMaxSpanBytes;
  static constexpr int kThreadsPerRow = 4;  // they copy 64 bytes of a row at once
  static constexpr int kCopiedRows = kGemmThreads / kThreadsPerRow;
  static constexpr int kRowsPerThread = kTileWeightRows / kCopiedRows;

  __device__ int copied_piece() const { return thread_ % kThreadsPerRow; }
  __device__ int copied_row(int i) const { return thread_ % kGemmThreads / kThreadsPerRow + i * kCopiedRows; }
  __device__ int lane() const { return thread_ % kWarpSize; }
  __device__ int first_row() const { return thread_ % kGemmThreads / kWarpSize * 16; }  // of the warp
  __device__ int fragment_row(int i) const { return first_row() + lane() / 4 + 8 * i; }

  __device__ static int offset_in_window(const std::byte* address) {
    return Decoder::kAlignment == 16 ? 0 : static_cast<int>(reinterpret_cast<uintptr_t>(address) % 16);
  }

  // Where the span of a row begins whose first byte is at the byte `begin`, modulo 16, of a 16-byte piece.
  __device__ const uint8_t* span_of(int slot, int row, int begin) const {
    const int offset = Decoder::kAlignment == 16 ? 0 : static_cast<int>(static_cast<unsigned>(begin) % 16);
    return ring_ + slot * Memory::kRawSlotBytes + row * Memory::kPitch + offset;
  }

  int thread_;
  uint8_t* ring_;
  uint8_t* scales_;
  const std::byte* sources_[kRowsPerThread];
  int begins_[2];
};

}  // namespace gesso::cuda
