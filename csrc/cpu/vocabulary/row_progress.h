// A row of logits walked chunk by chunk: its entropy, its argmax and a draw from it, and the weights of its tokens.
// Nothing needs a whole row. Chunks are the same whatever the rows and threads, and so are the sums of a row.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/random.h"
#include "ops/token_stats.h"

namespace gesso::cpu {

// Tokens of a whole chunk; a vocabulary's last one may be shorter.
constexpr int64_t kChunkTokens = 4096;

// A token that may be the best. Where nothing is above -inf it is token 0; NaN is never the best.
struct Candidate {
  float value = -INFINITY;
  int32_t token = 0;
};

// What is known of a row after some of its chunks. With m its largest z so far, p_v = e^(z_v - m):
struct RowProgress {
  double rest = 0;       // sum of p without the argmax' own 1: all that confident rows differ by
  double weighted = 0;   // sum of (z_v - m) p_v
  double chunk_sum = 0;  // sum of the last chunk's p
  double left_out = 0;   // sum of p that take_weights has left out
  float threshold = 0;   // below which it did so in the last chunk
  double factor = 0;     // e^(m before the last chunk - m): what sums over the chunks before are multiplied by
  Candidate argmax;      // of z, the lowest id among equals; its value is m
  Candidate draw;        // of z + noise

  double sum() const { return 1 + rest; }
};

// Takes the chunk of `count` logits that begins at token `first`, and gives their p. Without a key nothing is drawn.
void add_chunk(const float* z, int64_t count, int64_t first, const DrawKey* key, float* p, RowProgress& row);

// Of the weights p that add_chunk gave, all but small ones, and their places in the chunk, in order; returns how many.
// Of a row's weights at most `share` of their sum is left out, however many chunks it has. `kept` may be p.
int64_t take_weights(const float* p, int64_t count, double share, RowProgress& row, float* kept, uint16_t* places);

// The same for weights that were taken from several chunks and have been brought to the m of today.
int64_t leave_out_more(float* weights, int64_t count, double share, RowProgress& row, uint16_t* places);

// After the last chunk. Entropy: ln S - sum_v (z_v - m) p_v / S with S = sum_v p_v; NaN for a row with NaN, or nothing
// above -inf.
void finish_row(const RowProgress& row, int64_t r, ops::TokenStats stats);

}  // namespace gesso::cpu
