#include "cpu/products/int8_tile.h"

#include <algorithm>

#include "core/buffer.h"
#include "cpu/kernels/int8_kernels.h"
#include "cpu/kernels/panel_decoders.h"

namespace gesso::cpu {
namespace {

// How many columns are decoded at a time. 32 rows of them (8 KB of levels) stay in the L1 cache until they are
// transposed.
constexpr int64_t kChunk = 256;
constexpr int64_t kMaxGroups = kChunk / 16;

struct Chunk {
  alignas(64) uint8_t levels[kTileOutputs][kChunk];
  alignas(64) float scales[kTileOutputs][kMaxGroups];
  alignas(64) float mins[kTileOutputs][kMaxGroups];
};

// How many words transpose_words writes for `count` words of 32 rows. It rounds `count` up to a multiple of 4.
constexpr int64_t words_written(int64_t count) { return (count + 3) / 4 * 4 * kTileOutputs; }

struct TileMemory {
  Buffer<uint32_t> levels;
  Buffer<float> scales, mins;

  void reserve(int64_t columns) {
    if (levels.size() >= words_written(columns / 4)) return;
    levels = Buffer<uint32_t>(words_written(columns / 4));
    scales = Buffer<float>(words_written(columns / 16));
    mins = Buffer<float>(words_written(columns / 16));
  }
};

// The stored rows of a tile. Where the weight has fewer than 32, its last row stands for the missing ones.
class TileRows {
 public:
  TileRows(const Tensor& weight, int64_t first)
      : data_(weight.row(first)), row_bytes_(weight.row_bytes()), last_(weight.num_rows() - 1 - first) {}

  const std::byte* operator[](int64_t n) const { return data_ + std::min(n, last_) * row_bytes_; }

 private:
  const std::byte* data_;
  int64_t row_bytes_, last_;
};

void decode_by_panels(DecodePanel decode, const Tensor& weight, int64_t first, const TileMemory& memory,
                      FetchAhead& ahead) {
  for (int64_t panel = 0; panel < kTileOutputs; panel += kPanelRows) {
    decode(weight.row(first + panel), weight.row_bytes(), weight.num_columns(),
           reinterpret_cast<uint8_t*>(memory.levels.data() + panel), memory.scales.data() + panel,
           memory.mins.data() + panel, ahead);
  }
}

// The same for pairs of words: out[pair, n] = rows[n * stride + pair].
void transpose_pairs(const uint64_t* rows, int64_t stride, int64_t count, uint64_t* out) {
  for (int64_t pair = 0; pair < count; ++pair) {
    for (int64_t n = 0; n < kTileOutputs; ++n) out[pair * kTileOutputs + n] = rows[n * stride + pair];
  }
}

void lay_out_levels(const Chunk& chunk, int64_t columns, uint32_t* out) {
  const Int8Kernels& kernels = int8_kernels();
  if (kernels.columns_together == 4) {
    return kernels.transpose_words(reinterpret_cast<const uint32_t*>(chunk.levels), kChunk / 4, columns / 4, out);
  }
  transpose_pairs(reinterpret_cast<const uint64_t*>(chunk.levels), kChunk / 8, columns / 8,
                  reinterpret_cast<uint64_t*>(out));
}

void decode_by_rows(const quant::Integers& integers, const Tensor& weight, int64_t first, const TileMemory& memory,
                    FetchAhead& ahead) {
  thread_local Chunk chunk;
  const DTypeInfo& type = dtype_info(weight.dtype);
  const TileRows rows(weight, first);
  const auto lay_out = [](const void* from, int64_t stride, int64_t words, void* out) {
    int8_kernels().transpose_words(static_cast<const uint32_t*>(from), stride, words, static_cast<uint32_t*>(out));
  };
  for (int64_t column = 0; column < weight.num_columns(); column += kChunk) {
    const int64_t count = std::min(kChunk, weight.num_columns() - column);
    const int64_t offset_bytes = column / type.block_elements * type.block_bytes;
    for (int64_t n = 0; n < kTileOutputs; ++n) {
      integers.unpack(rows[n] + offset_bytes, count, chunk.levels[n], chunk.scales[n], chunk.mins[n]);
      ahead.advance(decode_work(count));
    }
    lay_out_levels(chunk, count, memory.levels.data() + column / 4 * kTileOutputs);
    const int64_t groups = count / integers.group, first_scale = column / integers.group * kTileOutputs;
    lay_out(chunk.scales, kMaxGroups, groups, memory.scales.data() + first_scale);
    if (integers.has_min) lay_out(chunk.mins, kMaxGroups, groups, memory.mins.data() + first_scale);
  }
}

}  // namespace

std::span<const std::byte> stored_tile(const Tensor& weight, int64_t first) {
  const int64_t count = std::min(kTileOutputs, weight.num_rows() - first);
  if (count <= 0) return {};
  return {weight.row(first), static_cast<size_t>(count * weight.row_bytes())};
}

Int8Tile decode_tile(const Tensor& weight, const quant::Integers& integers, int64_t first, FetchAhead& ahead) {
  thread_local TileMemory memory;
  memory.reserve(weight.num_columns());
  const DecodePanel decode = find_panel_decoder(weight.dtype);
  if (decode && first + kTileOutputs <= weight.num_rows()) {
    decode_by_panels(decode, weight, first, memory, ahead);
  } else {
    decode_by_rows(integers, weight, first, memory, ahead);
  }
  return {weight.num_columns(),
          std::min(kTileOutputs, weight.num_rows() - first),
          integers,
          reinterpret_cast<const uint8_t*>(memory.levels.data()),
          memory.scales.data(),
          integers.has_min ? memory.mins.data() : nullptr};
}

}  // namespace gesso::cpu
