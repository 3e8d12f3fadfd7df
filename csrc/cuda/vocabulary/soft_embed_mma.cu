// sums = factor * sums + weights . table, for one chunk of the vocabulary. The chunk's tokens are the inner dimension
// of the product. The table's rows are read as they are stored in the model file.
//
// A block of 8 warps computes 256 rows by 128 columns of the sums, over one segment of the chunk. It takes 32 tokens at
// a time:
//   weights [256 rows, 32 tokens]      bf16, copied as they are
//   table   [32 tokens, 128 columns]   copied as stored, then decoded to bf16. Half of the warps decode one step, the
//                                      other half the next; the others multiply meanwhile
// A warp multiplies 64 rows by 64 columns and keeps their sums in registers. For the formats of RemainingDecoder a warp
// takes 32 rows, and so a block 128. The kernel is bound by its operations, two for each row, token and column; all its
// bytes come from the L2 cache.
#include "cuda/vocabulary/soft_embed_mma.h"

#include <algorithm>
#include <type_traits>

#include "cuda/block/swizzle.h"
#include "cuda/decode/with_decoder.h"
#include "cuda/device/access.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma.h"
#include "cuda/vocabulary/soft_embed_sums.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kStepTokens = 32;
constexpr int kWarpColumns = 64;
constexpr int kColumnWarps = kSoftTileColumns / kWarpColumns;

// Rows of a warp. The decoder of the remaining formats needs many registers itself, so fewer are left for sums.
template <typename Decoder>
constexpr int kWarpRows = std::is_same_v<Decoder, RemainingDecoder> ? 32 : 64;
template <typename Decoder>
constexpr int kTileRows = kThreads / kWarpSize / kColumnWarps * kWarpRows<Decoder>;

// Shared memory holds rings of slots: decoded rows of the table, weights, and rows of the table as stored.
constexpr int kWeightSlots = 3, kTableSlots = 2, kStoredSlots = 2;
constexpr int kWeightRowBytes = kStepTokens * 2;
constexpr int kTableHalfBytes = kStepTokens * kSwizzledRowBytes;  // 64 columns, laid out as swizzle.h says
constexpr int kTableSlotBytes = kTableHalfBytes * kSoftTileColumns / kSwizzledColumns;

// The bytes of one stored row that a block copies: those of a tile's columns, from the multiple of 16 bytes before them
// on.
template <typename Decoder>
struct StoredWindow {
  static constexpr int kSpans = std::max(1, kSoftTileColumns / Decoder::kSpanColumns);
  static constexpr int kOffset = 16 - Decoder::kAlignment;  // of the columns in the window, the largest
  static constexpr int kReadBehind = 4;                     // a decoder may read so many bytes behind the columns
  // The number of 16-byte pieces is odd, so that the same piece of 8 neighbouring rows is in different banks.
  static constexpr int kBytes = (kOffset + kSpans * Decoder::kMaxSpanBytes + kReadBehind + 15) / 16 * 16 | 16;
  using Windows = RowWindows<Decoder, kBytes>;
  static constexpr int kSlotBytes = Windows::bytes(kStepTokens);
};

template <typename Decoder>
constexpr int64_t kSharedBytes = kTableSlots * kTableSlotBytes + kWeightSlots * kTileRows<Decoder> * kWeightRowBytes +
                                 kStoredSlots * StoredWindow<Decoder>::kSlotBytes;

struct alignas(8) Pair {
  float v[2];
};

struct Table {
  DType dtype;
  const uint8_t* data;  // the chunk's first row
  int64_t row_bytes;
  int64_t num_tokens;  // of the chunk
};

// Pieces of 16 bytes are swapped within a row, so that the same piece of 8 neighbouring rows is in different banks.
__device__ int weight_offset(int row, int piece) { return row * kWeightRowBytes + (piece ^ (row / 2 % 4)) * 16; }

// Starts to copy the weights of the tile's rows for 32 tokens, from `token` on. Rows behind the last become zeros.
template <int kRows>
__device__ void copy_weights(const SoftSums& soft, int64_t first_row, int64_t token, uint8_t* slot) {
  const int thread = static_cast<int>(threadIdx.x), piece = thread % 4;
#pragma unroll
  for (int row = thread / 4; row < kRows; row += kThreads / 4) {
    const bool valid = first_row + row < soft.num_rows;
    const uint16_t* source = soft.weights + (valid ? first_row + row : 0) * soft.weights_stride + token + 8 * piece;
    copy_async_16(slot + weight_offset(row, piece), source, valid);
  }
}

// Where a tile's columns begin in a stored row.
template <typename Decoder>
__device__ const uint8_t* stored_columns(const Decoder& decoder, const Table& table, int64_t token, int first_column) {
  return table.data + token * table.row_bytes + first_column / Decoder::kSpanColumns * decoder.span_bytes();
}

// Starts to copy the windows of 32 tokens. Eight threads copy a row. Bytes behind the row's end are not copied.
template <typename Decoder>
__device__ void copy_stored(const Decoder& decoder, const Table& table, int64_t token, int first_column,
                            uint8_t* slot) {
  constexpr int kRowThreads = kThreads / kStepTokens;
  const int row = static_cast<int>(threadIdx.x) / kRowThreads;
  if (token + row >= table.num_tokens) return;
  const uint8_t* first = stored_columns(decoder, table, token + row, first_column);
  const uint8_t* row_end = table.data + (token + row + 1) * table.row_bytes;
  const uint8_t* end = std::min(first + StoredWindow<Decoder>::kSpans * decoder.span_bytes(), row_end);
  const uint8_t* window = first - reinterpret_cast<uintptr_t>(first) % 16;
  uint8_t* target = slot + StoredWindow<Decoder>::Windows::place(row, table.row_bytes);
  const int64_t num_bytes = end - window;
  for (int offset = 16 * (static_cast<int>(threadIdx.x) % kRowThreads); offset < num_bytes;
       offset += 16 * kRowThreads) {
    copy_async_16(target + offset, window + offset);
  }
}

// Decodes 32 tokens by 128 columns. The 128 threads of one half of the block do this, each 32 columns of a token.
// Tokens behind the last become zeros: their weight is zero, but zero times NaN would still be NaN. Columns behind the
// last hold arbitrary values, whose sums nobody reads.
template <typename Decoder>
__device__ void decode_tile(const Decoder& decoder, const Table& table, int64_t token, int first_column,
                            const uint8_t* slot, uint8_t* tile) {
  const int row = lane_index(), unit = warp_index() % (kSoftTileColumns / kUnitColumns);
  uint32_t columns[kUnitColumns / 2] = {};
  if (token + row < table.num_tokens) {
    const uint8_t* first = stored_columns(decoder, table, token + row, first_column);
    const uint8_t* window = slot + StoredWindow<Decoder>::Windows::place(row, table.row_bytes);
    const bool begin_alike = kReadsWords<Decoder> && table.row_bytes % 16 == 0;
    constexpr int kSpanUnits = Decoder::kSpanColumns / kUnitColumns;
    const int from_span = first_column % Decoder::kSpanColumns / kUnitColumns + unit;
    const int offset = static_cast<int>(reinterpret_cast<uintptr_t>(first) % 16);
    decoder.decode(StoredBytes(window + offset, begin_alike) + from_span / kSpanUnits * decoder.span_bytes(),
                   from_span % kSpanUnits, columns);
  }
  uint8_t* half = tile + unit / 2 * kTableHalfBytes;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    store_to(half + swizzled_offset(row, unit % 2 * 4 + i),
             make_uint4(columns[4 * i], columns[4 * i + 1], columns[4 * i + 2], columns[4 * i + 3]));
  }
}

template <int kRows>
using WarpSums = float[kRows / 16][kWarpColumns / 8][4];

// Adds a warp's part of the product over 32 tokens. `tile` is where the warp's 64 columns begin.
template <int kRows>
__device__ void multiply_step(const uint8_t* weights, const uint8_t* tile, int warp_row, WarpSums<kRows>& sums) {
  const int lane = lane_index();
#pragma unroll
  for (int k = 0; k < kStepTokens / 16; ++k) {
    uint32_t a[kRows / 16][4];
#pragma unroll
    for (int m = 0; m < kRows / 16; ++m) {
      load_matrix_x4(a[m], weights + weight_offset(warp_row + 16 * m + lane % 16, 2 * k + lane / 16));
    }
#pragma unroll
    for (int n = 0; n < kWarpColumns / 16; ++n) {
      uint32_t b[4];  // tokens 0-7 and 8-15 of eight columns, then of the next eight
      load_matrix_x4_transposed(b, tile + swizzled_offset(16 * k + lane % 16, 2 * n + lane / 16));
#pragma unroll
      for (int m = 0; m < kRows / 16; ++m) {
        mma_bf16(sums[m][2 * n], a[m], {b[0], b[1]});
        mma_bf16(sums[m][2 * n + 1], a[m], {b[2], b[3]});
      }
    }
  }
}

// sums = factor * sums + the product. A thread has pairs of neighbouring columns, so it reads and writes two at once.
template <int kRows>
__device__ void add_to_sums(const SoftSums& soft, int64_t first_row, int64_t first_column, bool is_first,
                            const WarpSums<kRows>& product) {
  const int lane = lane_index();
#pragma unroll
  for (int m = 0; m < 2 * kRows / 16; ++m) {  // eight rows at a time
    const int64_t row = first_row + 8 * m + lane / 4;
    if (row >= soft.num_rows) continue;
    const float factor = soft.rows[row].factor;
    float* sums = soft.sums + (blockIdx.z * soft.num_rows + row) * soft.sums_stride + first_column + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kWarpColumns / 8; ++n) {
      Pair* place = reinterpret_cast<Pair*>(sums + 8 * n);
      Pair pair = is_first ? Pair{} : *place;
#pragma unroll
      for (int i = 0; i < 2; ++i) pair.v[i] = (is_first ? 0 : factor * pair.v[i]) + product[m / 2][n][m % 2 * 2 + i];
      *place = pair;
    }
  }
}

// soft.weights and soft.rows are those of the current chunk.   grid [D / 128, R / kTileRows, segments], rounded up.
// ptxas: <= 255 registers, <= 128 bytes of stack: the remaining formats are decoded in an array; HMMA, LDSM, LDGSTS
template <typename Decoder>
__global__ void __launch_bounds__(kThreads, 1) soft_embed_mma_kernel(SoftSums soft, Table table, bool is_first) {
  wait_for_earlier_kernels();
  const Decoder decoder(table.dtype);
  constexpr int kRows = kWarpRows<Decoder>, kWeightSlotBytes = kTileRows<Decoder> * kWeightRowBytes;
  uint8_t* tiles = shared_memory<uint8_t>();
  uint8_t* weights = tiles + kTableSlots * kTableSlotBytes;
  uint8_t* stored = weights + kWeightSlots * kWeightSlotBytes;
  const int first_column = static_cast<int>(blockIdx.x) * kSoftTileColumns;
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTileRows<Decoder>;
  const int num_steps = static_cast<int>((table.num_tokens + kStepTokens - 1) / kStepTokens);
  const int first_step = num_steps * static_cast<int>(blockIdx.z) / static_cast<int>(gridDim.z);
  const int steps = num_steps * static_cast<int>(blockIdx.z + 1) / static_cast<int>(gridDim.z) - first_step;
  const int half = warp_index() / (kThreads / kWarpSize / 2);
  const int warp_row = warp_index() / kColumnWarps * kRows, warp_half = warp_index() % kColumnWarps;
  const bool has_rows = first_row + warp_row < soft.num_rows;

  const auto start_copies = [&](int step) {
    if (step < steps) {
      const int64_t token = static_cast<int64_t>(first_step + step) * kStepTokens;
      copy_weights<kTileRows<Decoder>>(soft, first_row, token, weights + step % kWeightSlots * kWeightSlotBytes);
      copy_stored(decoder, table, token, first_column,
                  stored + step % kStoredSlots * StoredWindow<Decoder>::kSlotBytes);
    }
    commit_copies();
  };
  const auto decode = [&](int step) {
    if (step >= steps || step % 2 != half) return;
    decode_tile(decoder, table, (first_step + step) * kStepTokens, first_column,
                stored + step % kStoredSlots * StoredWindow<Decoder>::kSlotBytes,
                tiles + step % kTableSlots * kTableSlotBytes);
  };

  WarpSums<kRows> sums = {};
  start_copies(0);
  start_copies(1);
  wait_copies<1>();
  sync_block();
  decode(0);
  for (int step = 0; step < steps; ++step) {
    wait_copies<0>();
    // Now this step's weights and decoded tile are there, and the next step's stored rows. Older slots are free.
    sync_block();
    start_copies(step + 2);
    decode(step + 1);
    if (has_rows) {
      multiply_step<kRows>(weights + step % kWeightSlots * kWeightSlotBytes,
                           tiles + step % kTableSlots * kTableSlotBytes + warp_half * kTableHalfBytes, warp_row, sums);
    }
  }
  add_to_sums<kRows>(soft, first_row + warp_row, first_column + warp_half * kWarpColumns, is_first, sums);
}

}  // namespace

int num_soft_segments(const DeviceProperties& properties, int64_t num_columns) {
  constexpr int kMaxSegments = 6;  // each segment reads and writes R x D sums per chunk
  constexpr double kGoodEnough = 0.9;
  const int64_t tiles = (num_columns + kSoftTileColumns - 1) / kSoftTileColumns;
  const auto share_at_work = [&](int segments) {
    const int64_t blocks = tiles * segments, places = properties.num_multiprocessors;
    return static_cast<double>(blocks) / ((blocks + places - 1) / places * places);
  };
  double best = 0;
  for (int segments = 1; segments <= kMaxSegments; ++segments) best = std::max(best, share_at_work(segments));
  int segments = 1;
  while (share_at_work(segments) < kGoodEnough * best) ++segments;
  return segments;
}

void add_soft_chunk(Queue& queue, const SoftSums& soft, const Tensor& table, int64_t first) {
  const Table rows = {table.dtype, reinterpret_cast<const uint8_t*>(table.row(first)), table.row_bytes(),
                      std::min(soft.weights_stride, table.num_rows() - first)};
  with_decoder(table.dtype, [&](auto type) {
    using Decoder = typename decltype(type)::Decoder;
    const dim3 grid(static_cast<unsigned>(soft.sums_stride / kSoftTileColumns),
                    static_cast<unsigned>((soft.num_rows + kTileRows<Decoder> - 1) / kTileRows<Decoder>),
                    static_cast<unsigned>(soft.num_segments));
    launch("soft_embed", {grid, kThreads, kSharedBytes<Decoder>, queue.stream()}, soft_embed_mma_kernel<Decoder>, soft,
           rows, first == 0);
  });
}

}  // namespace gesso::cuda
