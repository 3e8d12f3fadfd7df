// Stored weights on their way to a tile. 64 rows are copied to shared memory as they lie in the file, a span of columns
// at a time. From there they are decoded, 64 columns at a time.
//
// A row's span may begin at any byte. What is copied is the window of whole 16-byte pieces around the span. It reaches
// at most 15 bytes past the span on either side, and a tensor's memory is still readable there.
//
// The threads of a warp read the same place of 32 rows at once. Shared memory has 32 banks of 4 bytes, so the rows of
// such a read should be in different banks. The windows of neighbouring rows lie an odd number of pieces apart. That
// suffices for reads of 16 bytes, which the memory serves for 8 rows at a time. For reads of words see
// decode/words.h.
#pragma once

#include "cuda/block/ring.h"
#include "cuda/block/swizzle.h"
#include "cuda/decode/codes.h"
#include "cuda/decode/tile_decoder.h"
#include "cuda/decode/words.h"
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/gemm_arguments.h"

namespace gesso::cuda {

template <typename Decoder>
struct RawSpan {
  static constexpr int kSteps = Decoder::kSpanColumns / kStepColumns;
  static constexpr int kPieces = (16 - Decoder::kAlignment + Decoder::kMaxSpanBytes + 15) / 16;
  using Windows = RowWindows<Decoder, (kPieces | 1) * 16>;
  static constexpr int kBytes = Windows::bytes(kTileWeightRows);

  __device__ static int of_step(int step) { return static_cast<int>(static_cast<unsigned>(step) / kSteps); }

  // How many slots a ring needs so that a span is there `num_steps` steps after its copies began.
  static constexpr int num_slots(int num_steps) { return 1 + (num_steps + kSteps - 1) / kSteps; }
};

// A ring of kSlots spans in shared memory. Span s is in slot s % kSlots. kThreads threads fill it, and each group of
// 128 threads can decode a step of it.
template <typename D, int kSlots, int kThreads = kGemmThreads, typename SpanOfRows = RawSpan<D>>
class RawTile {
 public:
  using Decoder = D;
  using Span = SpanOfRows;
  static constexpr int kBytes = kSlots * Span::kBytes;

  __device__ RawTile(uint8_t* ring, DType dtype) : ring_(ring), decoder_(dtype) {}

  // row(i) returns where row i of the tile begins, 0 <= i < 64. A row has row_bytes bytes. end_step is the step behind
  // the last one that is needed.
  template <typename Row>
  __device__ void begin(const Row& row, int64_t row_bytes, int end_step) {
    const int thread = copying_thread();
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const int copied = Span::Windows::copied_row(thread) + i * kCopiedRows;
      rows_[i] = row(copied);
      places_[i] = Span::Windows::place(copied, row_bytes);
    }
    decoded_place_ = Span::Windows::place(decoded_row(), row_bytes);
    rows_begin_alike_ = kReadsWords<Decoder> && row_bytes % 16 == 0;
    decoded_row_offset_ = offset_in_window(row(decoded_row()));
    const int end_byte = Span::of_step(end_step + Span::kSteps - 1) * decoder_.span_bytes();
    end_byte_ = end_byte < row_bytes ? end_byte : static_cast<int>(row_bytes);
  }

  // Starts the copies of a span. A span behind the last step has nothing to copy.
  __device__ void copy(int span) {
    const int begin = span * decoder_.span_bytes();
    const int left = end_byte_ - begin;
    const int bytes = left < decoder_.span_bytes() ? left : decoder_.span_bytes();
    const int thread = copying_thread();
    uint8_t* slot = ring_ + ring_slot<kSlots>(span) * Span::kBytes;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const std::byte* row = rows_[i] + begin;
      const int offset = offset_in_window(row);
#pragma unroll
      for (int first = 0; first < Span::kPieces; first += kCopyThreadsPerRow) {
        const int piece = first + Span::Windows::copied_piece(thread);
        if (16 * piece < offset + bytes) {
          copy_async_16(slot + places_[i] + Span::Windows::kPiecePitch * piece, row - offset + 16 * piece);
        }
      }
    }
  }

  // Each thread decodes half a row of the 64 columns of a step. These functions say which row and half it is, where the
  // row's span begins in shared memory, and which unit of the span the half is.
  __device__ static int decoded_row() { return static_cast<int>(threadIdx.x) % kTileWeightRows; }
  __device__ static int decoded_half() { return static_cast<int>(threadIdx.x) / kTileWeightRows % 2; }
  __device__ StoredBytes span_of(int step) const {
    const int span = Span::of_step(step);
    const int offset = Decoder::kAlignment == 16 ? 0 : (decoded_row_offset_ + span * decoder_.span_bytes()) % 16;
    return {ring_ + ring_slot<kSlots>(span) * Span::kBytes + decoded_place_ + offset, rows_begin_alike_};
  }
  __device__ static int unit_of(int step) { return ring_slot<Span::kSteps>(step) * 2 + decoded_half(); }
  __device__ const Decoder& decoder() const { return decoder_; }

 private:
  static constexpr int kCopiedRows = kThreads / kCopyThreadsPerRow;
  static constexpr int kRowsPerThread = kTileWeightRows / kCopiedRows;

  // A block may have several groups of kThreads threads, each with a ring of its own.
  __device__ static int copying_thread() { return static_cast<int>(threadIdx.x) % kThreads; }

  __device__ static int offset_in_window(const std::byte* address) {
    return Decoder::kAlignment == 16 ? 0 : static_cast<int>(reinterpret_cast<uintptr_t>(address) % 16);
  }

  uint8_t* ring_;
  Decoder decoder_;
  const std::byte* rows_[kRowsPerThread];  // the rows that this thread copies
  int places_[kRowsPerThread];             // and where their windows begin in a slot
  int decoded_place_ = 0;                  // the same of the row that this thread decodes
  bool rows_begin_alike_ = false;          // see StoredBytes
  int decoded_row_offset_ = 0;             // the address, modulo 16, of the row that this thread decodes
  int end_byte_ = 0;                       // where the needed bytes of a row end
};

// Decodes the thread's half row of a step to bf16, into a tile whose rows of 128 bytes lie as swizzle.h says. Columns
// behind the last one become zero. (For formats with codes, the 32 columns of a unit are either all there or all
// behind.)
template <typename Raw>
__device__ inline void decode_step(const Raw& raw, int step, int num_columns, uint8_t* weights) {
  using Decoder = typename Raw::Decoder;
  const int left = num_columns - step / Decoder::kPasses * kStepColumns - Raw::decoded_half() * kUnitColumns;
  uint32_t values[16];
  if constexpr (Decoder::kHasCodes) {
    Codes codes = Decoder::codes(raw.span_of(step), raw.unit_of(step));
    if (left <= 0) clear_scales(codes);
    codes_to_bf16<Decoder>(codes, values);
  } else {
    raw.decoder().decode(raw.span_of(step), raw.unit_of(step), values);
    if (left < kUnitColumns) clear_columns(values, left);
  }
  const int offset = piece_offset<2 * kStepColumns>(Raw::decoded_row(), Raw::decoded_half() * 4);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    store_to(weights + pieces_on(offset, i),
             make_uint4(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]));
  }
}

}  // namespace gesso::cuda
