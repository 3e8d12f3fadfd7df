// Reads a row of logits chunk by chunk and computes its entropy, its argmax, a draw from it and the weights of its
// tokens. The whole row is never needed at once. The chunks do not depend on the number of rows and threads, so the
// sums of a row do not either.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/random.h"
#include "ops/token_stats.h"

namespace gesso::cpu {

// How many tokens a chunk has. The last chunk of a vocabulary may be shorter.
constexpr int64_t kChunkTokens = 4096;

// The best token so far. It is token 0 while no value is above -inf; a NaN is never the best.
struct Candidate {
  float value = -INFINITY;
  int32_t token = 0;
};

// What is known of a row after some of its chunks. m is the largest z so far, and p_v = e^(z_v - m) is the weight of
// token v.
struct RowProgress {
  double rest = 0;       // the sum of p without the argmax, whose p is 1; confident rows have a tiny one
  double weighted = 0;   // the sum of (z_v - m) p_v
  double chunk_sum = 0;  // the sum of p in the last chunk
  double left_out = 0;   // the sum of the p that take_weights has left out
  float threshold = 0;   // in the last chunk, take_weights has left out the p below this
  double factor = 0;     // e^(m before the last chunk - m): what sums over earlier chunks have to be multiplied by
  Candidate argmax;      // the largest z and its token, the lowest id among equals; its value is m
  Candidate draw;        // the largest z + noise and its token

  double sum() const { return 1 + rest; }
};

// Takes the next chunk: the `count` logits z from token `first` on. Writes their weights to p. If `key` is nullptr,
// nothing is drawn.
void add_chunk(const float* z, int64_t count, int64_t first, const DrawKey* key, float* p, RowProgress& row);

// Writes the weights p of the last chunk to `kept` and their places in the chunk to `places`, in order, but leaves out
// small ones. Returns how many were written. All weights of a row that were left out are together at most `share` of
// the row's sum. `kept` may be p.
int64_t take_weights(const float* p, int64_t count, double share, RowProgress& row, float* kept, uint16_t* places);

// The same for `count` weights that were taken from several chunks. They must be relative to the present m. What is
// kept is moved to the front of `weights`.
int64_t leave_out_more(float* weights, int64_t count, double share, RowProgress& row, uint16_t* places);

// Writes the statistics of row r after its last chunk, but for its top tokens. The entropy is ln S - sum_v (z_v - m)
// p_v / S with S = sum_v p_v. It is NaN for a row that has a NaN, or that has no value above -inf.
void finish_row(const RowProgress& row, int64_t r, ops::TokenStats stats);

}  // namespace gesso::cpu
