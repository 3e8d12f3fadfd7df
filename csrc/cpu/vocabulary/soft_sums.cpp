#include "cpu/vocabulary/soft_sums.h"

#include <algorithm>
#include <cmath>

#include "core/finite.h"
#include "core/threads/thread_scratch.h"
#include "core/threads/threads.h"
#include "cpu/kernels/levels_to_floats.h"
#include "cpu/vocabulary/weighted_rows.h"
#include "quant/formats.h"
#include "quant/integers.h"

namespace gesso::cpu {
namespace {

// A slice is so many columns of the table; they are decoded and summed together. 768 is a multiple of every format's
// block, and a token's bytes in a slice are long enough to be read from memory at a good rate.
constexpr int64_t kSliceColumns = 768;
static_assert(kSliceColumns % kWeightedColumns == 0);
// How many tokens' slices are decoded before the rows add them. Together with a slice of the sums of all rows they fit
// into an L2 cache.
constexpr int64_t kTileTokens = 128;

// The memory of a thread's SoftSums. It is kept between calls, so that a denoising step does not allocate it again.
struct Scratch {
  Buffer<RowProgress> rows;
  Buffer<std::byte> lists;
  Buffer<float> chunk, weights;
  Buffer<int32_t> tokens, kept, numbers;
  Buffer<double> sums;
  Buffer<uint8_t> is_kept;
};

// While a token's slice is decoded, the slice of the token so many places later is fetched. The processor's own
// prefetching cannot do this, since the rows of the table lie far apart.
constexpr int64_t kTokensAhead = 24;

void prefetch([[maybe_unused]] const std::byte* data, [[maybe_unused]] int64_t num_bytes) {
#if defined(__GNUC__)
  for (int64_t i = 0; i < num_bytes; i += 64) __builtin_prefetch(data + i);
#endif
}

// Decodes at most kSliceColumns stored elements; the values are those of quant::DecodeRow.
class SliceDecoder {
 public:
  explicit SliceDecoder(DType type) : integers_(quant::find_integers(type)), decode_(quant::find_decoder(type)) {}

  void operator()(const std::byte* stored, int64_t columns, float* out) const {
    if (!integers_) return decode_(stored, columns, out);
    uint8_t levels[kSliceColumns];
    float scales[kSliceColumns / kLeastGroup], mins[kSliceColumns / kLeastGroup];
    integers_->unpack(stored, columns, levels, scales, mins);
    levels_to_floats({integers_->group, integers_->offset}, levels, scales, integers_->has_min ? mins : nullptr,
                     columns, out);
  }

 private:
  static constexpr int64_t kLeastGroup = 16;

  const quant::Integers* integers_;  // null for types that do not store integers; decoding with it is faster
  quant::DecodeRow decode_;
};

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

SoftSums::SoftSums(const Context& context, const Tensor& table, int64_t num_rows, double left_out_share)
    : context_(context),
      table_(table),
      num_rows_(num_rows),
      num_slices_(round_up(table.shape[1], kSliceColumns) / kSliceColumns),
      stride_(std::min(table.shape[0], kChunkTokens)),
      share_(left_out_share) {
  thread_local Scratch scratch;
  const int64_t vocab_size = table.shape[0], num_sums = num_slices_ * num_rows * kSliceColumns;
  rows_ = at_least(scratch.rows, num_rows);
  chunk_ = at_least(scratch.chunk, num_rows * stride_);
  lists_ = reinterpret_cast<List*>(at_least(scratch.lists, num_rows * static_cast<int64_t>(sizeof(List))));
  weights_ = at_least(scratch.weights, num_rows * kListChunks * stride_);
  tokens_ = at_least(scratch.tokens, num_rows * kListChunks * stride_);
  sums_ = at_least(scratch.sums, num_sums);
  is_kept_ = at_least(scratch.is_kept, vocab_size);
  kept_ = at_least(scratch.kept, vocab_size);
  numbers_ = at_least(scratch.numbers, vocab_size);
  std::fill_n(rows_, num_rows, RowProgress());
  std::fill_n(lists_, num_rows, List());
  std::fill_n(sums_, num_sums, 0.0);
  std::fill_n(is_kept_, vocab_size, 0);
}

void SoftSums::take(int64_t r, const float* z, int64_t count, int64_t first, const DrawKey* key) {
  float* p = thread_scratch(count);
  uint16_t places[kChunkTokens];
  List& list = lists_[r];
  add_chunk(z, count, first, key, p, rows_[r]);
  if (rows_[r].factor != 1) {
    const auto factor = static_cast<float>(rows_[r].factor);
    for (int64_t i = 0; i < list.size; ++i) weights(r)[i] *= factor;
    list.factor *= rows_[r].factor;
  }
  const int64_t num_taken = take_weights(p, count, share_, rows_[r], weights(r) + list.size, places);
  for (int64_t i = 0; i < num_taken; ++i) tokens(r)[list.size + i] = static_cast<int32_t>(first + places[i]);
  list.size += num_taken;
  if (list.size > longest()) shorten(r);
}

// Removes the tokens from the list of row r whose weights have become small since they were listed.
void SoftSums::shorten(int64_t r) {
  uint16_t places[kListChunks * kChunkTokens];
  const int64_t size = leave_out_more(weights(r), lists_[r].size, share_, rows_[r], places);
  for (int64_t i = 0; i < size; ++i) tokens(r)[i] = tokens(r)[places[i]];
  lists_[r].size = size;
}

void SoftSums::make_room() { add_lists(longest()); }

// Adds the lists that have more than `longer_than` tokens to the sums, and empties them.
void SoftSums::add_lists(int64_t longer_than) {
  const int64_t num_tokens = number_tokens(longer_than);
  if (num_tokens == 0) return;
  // A slice is decoded once for all rows. If there are more threads than slices, the rows are divided into parts, and
  // each part decodes the slice for itself.
  const int64_t num_parts = (context_.num_threads + num_slices_ - 1) / num_slices_;
  const int64_t part_rows = (num_rows_ + num_parts - 1) / num_parts;
  parallel_for(context_, num_slices_ * num_parts, kSliceColumns * (num_tokens + part_rows),
               [&](int64_t task, const JobPoll& poll) {
                 const int64_t begin = task % num_parts * part_rows;
                 add_slice(task / num_parts, longer_than, num_tokens, begin, std::min(begin + part_rows, num_rows_),
                           poll);
               });
  for (int64_t r = 0; r < num_rows_; ++r) {
    if (lists_[r].size > longer_than) lists_[r] = List();
  }
}

void SoftSums::finish(float scale, Matrix out, float* entropy) {
  parallel_for(context_, num_rows_, 2 * stride_, [&](int64_t r) { shorten(r); });
  add_lists(0);
  parallel_for(context_, num_rows_, 2 * out.columns, [&](int64_t r) {
    if (entropy && std::isnan(entropy[r])) return;
    const double factor = lists_[r].factor * scale / rows_[r].sum();
    for (int64_t slice = 0; slice < num_slices_; ++slice) {
      float* target = out.row(r) + slice * kSliceColumns;
      const double* source = sums(slice, r);
      for (int64_t c = 0; c < slice_columns(slice); ++c) target[c] = static_cast<float>(source[c] * factor);
    }
    if (entropy && !all_finite(out.row(r), out.columns)) entropy[r] = NAN;
  });
}

int64_t SoftSums::slice_columns(int64_t slice) const {
  return std::min(kSliceColumns, table_.shape[1] - slice * kSliceColumns);
}

double* SoftSums::sums(int64_t slice, int64_t r) const { return sums_ + (slice * num_rows_ + r) * kSliceColumns; }

// Collects the tokens of all lists that have more than `longer_than` tokens, in kept_ and numbers_. Returns how many
// tokens these are.
int64_t SoftSums::number_tokens(int64_t longer_than) {
  bool is_any = false;
  for (int64_t r = 0; r < num_rows_; ++r) {
    if (lists_[r].size <= longer_than) continue;
    is_any = true;
    for (int64_t i = 0; i < lists_[r].size; ++i) is_kept_[tokens(r)[i]] = 1;
  }
  if (!is_any) return 0;
  int32_t number = 0;
  for (int64_t token = 0; token < table_.shape[0]; ++token) {
    numbers_[token] = number;
    kept_[number] = static_cast<int32_t>(token);
    number += is_kept_[token];
    is_kept_[token] = 0;
  }
  return number;
}

// Adds one slice of the listed tokens to the sums of rows begin .. end - 1. The first step of a canvas may list the
// whole vocabulary, and takes a second. So this polls.
void SoftSums::add_slice(int64_t slice, int64_t longer_than, int64_t num_tokens, int64_t begin, int64_t end,
                         const JobPoll& poll) {
  float* decoded = thread_scratch((kTileTokens + kBandRows) * kSliceColumns);
  float* partial = decoded + kTileTokens * kSliceColumns;  // [R, kSliceColumns]: float32 sums not yet added to sums_
  int64_t done[kBandRows] = {};                            // how many tokens of the row's list are added
  for (int64_t r = begin; r < end; ++r) {
    if (lists_[r].size > longer_than) scale_sums(slice, r);
  }
  for (int64_t tile = 0; tile < num_tokens; tile += kTileTokens) {
    poll();
    const int64_t tile_end = std::min(tile + kTileTokens, num_tokens);
    decode_tile(slice, tile, tile_end, decoded);
    for (int64_t r = begin; r < end; ++r) {
      if (lists_[r].size <= longer_than) continue;
      done[r] = add_tile(slice, r, done[r], tile, tile_end, decoded, partial + r * kSliceColumns);
    }
  }
}

void SoftSums::scale_sums(int64_t slice, int64_t r) {
  if (lists_[r].factor == 1) return;
  double* total = sums(slice, r);
  for (int64_t c = 0; c < kSliceColumns; ++c) total[c] *= lists_[r].factor;
}

// Decodes one slice of the tokens kept_[tile] .. kept_[tile_end - 1]. decoded [tokens, kSliceColumns] is 0 behind the
// last column of the table.
void SoftSums::decode_tile(int64_t slice, int64_t tile, int64_t tile_end, float* decoded) {
  const DTypeInfo& type = dtype_info(table_.dtype);
  const SliceDecoder decode(table_.dtype);
  const int64_t columns = slice_columns(slice);
  const auto bytes_of = [&](int64_t elements) { return elements / type.block_elements * type.block_bytes; };
  const std::byte* stored = table_.data + bytes_of(slice * kSliceColumns);
  const int64_t row_bytes = table_.row_bytes();
  for (int64_t i = tile; i < tile_end; ++i, decoded += kSliceColumns) {
    prefetch(stored + kept_[std::min(i + kTokensAhead, tile_end - 1)] * row_bytes, bytes_of(columns));
    decode(stored + kept_[i] * row_bytes, columns, decoded);
    std::fill(decoded + columns, decoded + kSliceColumns, 0.0f);
  }
}

// Adds the tokens of the tile that are in the list of row r, from place k of the list on. Returns the place where it
// stopped. After each kMaxWeightedRows tokens of a list, the float32 sum is added to the sum in double. These places do
// not depend on where tiles begin, so the bits do not depend on other rows' lists.
int64_t SoftSums::add_tile(int64_t slice, int64_t r, int64_t k, int64_t tile, int64_t tile_end, const float* decoded,
                           float* partial) {
  const int32_t* listed = tokens(r);
  const int64_t size = lists_[r].size;
  const float* rows[kMaxWeightedRows];
  for (int64_t count = 0;; k += count) {
    const int64_t used = k % kMaxWeightedRows, most = std::min(kMaxWeightedRows - used, size - k);
    for (count = 0; count < most && numbers_[listed[k + count]] < tile_end; ++count) {
      rows[count] = decoded + (numbers_[listed[k + count]] - tile) * kSliceColumns;
    }
    if (count == 0) return k;
    add_weighted_rows(weights(r) + k, rows, count, kSliceColumns, used > 0, partial);
    if (used + count == kMaxWeightedRows || k + count == size) {
      add_to_double(partial, kSliceColumns, sums(slice, r));
    }
  }
}

}  // namespace gesso::cpu
