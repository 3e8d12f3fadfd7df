// The sums for soft embeddings: softmax(z) . table for up to 256 rows that read the vocabulary together, chunk by
// chunk. Most weights of a row are too small to matter, but which ones is known only at the end. So each row keeps a
// list of the tokens that may matter, and removes tokens from it as the sum of its weights grows. When a list is full,
// and at the end, the listed rows of the table are decoded, once for all rows, and added.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"
#include "cpu/vocabulary/row_progress.h"

namespace gesso {
class JobPoll;
}

namespace gesso::cpu {

// How many rows read the vocabulary together. With more rows the table is read less often, but the scratch memory
// grows, and that costs more.
constexpr int64_t kBandRows = 256;

// Uses scratch memory of the calling thread, so a thread can use only one SoftSums at a time.
class SoftSums {
 public:
  // table [V, D]: the embedding of each token of the vocabulary. left_out_share: the part of the sum of a row's weights
  // that may be left out.
  SoftSums(const Context& context, const Tensor& table, int64_t num_rows, double left_out_share);

  // Memory for the logits of a chunk, which the caller fills before take().   [R, count]
  Matrix chunk(int64_t count) const { return {chunk_, num_rows_, count, stride_}; }
  RowProgress& row(int64_t r) const { return rows_[r]; }

  // Takes the next chunk of row r: calls add_chunk and lists the weights that may matter. Threads may call it for
  // different rows at the same time.
  void take(int64_t r, const float* z, int64_t count, int64_t first, const DrawKey* key);
  // Has to be called after each chunk. Adds the lists that have no room for another chunk to the sums.
  void make_room();
  // out[r] = scale * (sum of weight * table row over the tokens of row r) / (sum of its weights).   out [R, D].
  // entropy [R], if given: a row whose entropy is NaN is not written, and one that is not finite gets the entropy NaN.
  void finish(float scale, Matrix out, float* entropy = nullptr);

 private:
  struct List {
    int64_t size = 0;
    double factor = 1;  // what the row's sums have to be multiplied by before this list is added
  };

  // A list has room for so many chunks. When a list is full, only the full lists are added, and the table rows that
  // they share with others will be decoded again. So there should be room enough for this to be rare.
  static constexpr int64_t kListChunks = 4;

  // The longest list that has room for another chunk.
  int64_t longest() const { return (kListChunks - 1) * stride_; }
  void shorten(int64_t r);
  void add_lists(int64_t longer_than);
  int64_t number_tokens(int64_t longer_than);
  void add_slice(int64_t slice, int64_t longer_than, int64_t num_tokens, int64_t begin, int64_t end,
                 const JobPoll& poll);
  void scale_sums(int64_t slice, int64_t r);
  void decode_tile(int64_t slice, int64_t tile, int64_t tile_end, float* decoded);
  int64_t add_tile(int64_t slice, int64_t r, int64_t k, int64_t tile, int64_t tile_end, const float* decoded,
                   float* partial);
  int64_t slice_columns(int64_t slice) const;
  double* sums(int64_t slice, int64_t r) const;
  float* weights(int64_t r) const { return weights_ + r * kListChunks * stride_; }
  int32_t* tokens(int64_t r) const { return tokens_ + r * kListChunks * stride_; }

  const Context& context_;
  const Tensor& table_;
  int64_t num_rows_, num_slices_;
  int64_t stride_;     // how many tokens a chunk has
  double share_;       // the part of the sum of a row's weights that may be left out
  RowProgress* rows_;  // [R]
  float* chunk_;       // [R, stride]
  List* lists_;        // [R]
  float* weights_;     // [R, kListChunks * stride]: e^(z - m) of the listed tokens, m being the row's largest z
  int32_t* tokens_;    // [R, kListChunks * stride]: the listed tokens, in rising order
  double* sums_;       // [slices, R, columns of a slice]
  uint8_t* is_kept_;   // [V]: used by number_tokens(), and all 0 outside of it
  int32_t* kept_;      // [V]: the tokens of the lists that are being added, in rising order
  int32_t* numbers_;   // [V]: the inverse, kept_[numbers_[token]] == token
};

}  // namespace gesso::cpu
