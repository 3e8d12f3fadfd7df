// The running sums of expected embeddings, softmax(z) . table, of rows that walk the vocabulary together.
// Most weights of a row are negligible, but which ones is known only at the end: a row lists those that may count, and
// shortens its list as its sum grows. Table rows are decoded for all rows at once, when the lists are full or final.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"
#include "cpu/vocabulary/row_progress.h"

namespace gesso::cpu {

// Rows that walk together: more would take more scratch memory than they save in reading the table once less.
constexpr int64_t kBandRows = 256;

// In scratch memory of the calling thread, until it makes another one.
class SoftSums {
 public:
  // Of a vocabulary as long as the table.
  SoftSums(const Context& context, const Tensor& table, int64_t num_rows);

  // Room for the logits of a chunk; take() may overwrite them.   [R, count]
  Matrix chunk(int64_t count) const { return {chunk_, num_rows_, count, stride_}; }
  RowProgress& row(int64_t r) const { return rows_[r]; }

  // The next chunk of row r: add_chunk, and lists the weights that may count. Rows are independent of each other.
  void take(int64_t r, const float* z, int64_t count, int64_t first, const DrawKey* key);
  // After each chunk: sums the lists that have become too long for another one.
  void make_room();
  // out[r] = scale * the sums of row r / the sum of its weights.   out [R, D].
  void finish(float scale, Matrix out);

 private:
  struct List {
    int64_t size = 0;
    double factor = 1;  // what the sums are to be multiplied by before anything is added
  };

  // Room of a list: rows whose list is added early are added alone, and what they share is decoded again.
  static constexpr int64_t kListChunks = 4;

  // With which there is room for another chunk.
  int64_t longest() const { return (kListChunks - 1) * stride_; }
  void shorten(int64_t r);
  void add_lists(int64_t longer_than);
  int64_t number_tokens(int64_t longer_than);
  void add_slice(int64_t slice, int64_t longer_than, int64_t num_tokens, int64_t begin, int64_t end);
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
  int64_t stride_;     // tokens of a whole chunk
  double share_;       // of a row's weights, what may be left out
  RowProgress* rows_;  // [R]
  float* chunk_;       // [R, stride]
  List* lists_;        // [R]
  float* weights_;     // [R, kListChunks * stride], of the listed tokens, relative to the row's largest
  int32_t* tokens_;    // [R, kListChunks * stride], rising
  double* sums_;       // [slices, R, columns of a slice]
  uint8_t* is_kept_;   // [V], whether any list that is added now has the token; else all false
  int32_t* kept_;      // [V], those tokens, in order
  int32_t* numbers_;   // [V], the inverse
};

}  // namespace gesso::cpu
