// The running sums of expected embeddings, softmax(z) . table, of rows that walk the vocabulary together.
// Most weights of a row are negligible: of a chunk's table rows a row sums those that count to it, and only those that
// count to any are decoded, once for all.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"
#include "cpu/row_progress.h"

namespace gesso::cpu {

// Rows that walk together: more would take more scratch memory than they save in reading the table once less.
constexpr int64_t kBandRows = 256;

// In scratch memory of the calling thread, until it makes another one.
class SoftSums {
 public:
  // Of a vocabulary as long as the table.
  SoftSums(const Context& context, const Tensor& table, int64_t num_rows);

  // Room for the logits of a chunk; take() may overwrite them.   [R, count]
  Matrix chunk(int64_t count) const { return {weights_, num_rows_, count, stride_}; }
  RowProgress& row(int64_t r) const { return rows_[r]; }

  // The next chunk of row r: add_chunk, and keeps the weights that count. Rows are independent of each other.
  void take(int64_t r, const float* z, int64_t count, int64_t first, const DrawKey* key);
  // Adds what all rows have taken of the chunk that begins at token `first`.
  void add(int64_t count, int64_t first);
  // out[r] = scale * the sums of row r / the sum of its weights.   out [R, D].
  void finish(float scale, Matrix out) const;

 private:
  int64_t number_tokens(int64_t count);
  void add_slice(int64_t slice, int64_t first, int64_t num_tokens, int64_t begin, int64_t end);
  void scale_sums(int64_t slice, int64_t r);
  void decode_tile(int64_t slice, int64_t first, int64_t tile, int64_t tile_end, float* decoded);
  int64_t add_tile(int64_t slice, int64_t r, int64_t k, int64_t tile, int64_t tile_end, const float* decoded,
                   float* partial);
  int64_t slice_columns(int64_t slice) const;
  double* sums(int64_t slice, int64_t r) const;

  const Context& context_;
  const Tensor& table_;
  int64_t num_rows_, num_slices_;
  int64_t stride_;     // tokens of a whole chunk
  double share_;       // of a row's weights, what may be left out
  RowProgress* rows_;  // [R]
  int64_t* num_kept_;  // [R], of the chunk's weights
  float* weights_;     // [R, stride]
  uint16_t* places_;   // [R, stride], of the weights in the chunk
  double* sums_;       // [slices, R, columns of a slice]
  uint8_t* is_kept_;   // [stride], whether any row keeps the token
  uint16_t* tokens_;   // [stride], those that are kept, in order
  uint16_t* numbers_;  // [stride], the inverse
};

}  // namespace gesso::cpu
