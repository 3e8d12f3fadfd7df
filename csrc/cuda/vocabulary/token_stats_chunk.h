// One chunk of a row's vocabulary, held in the registers of a block, and what it adds to the row's statistics. A row is
// walked chunk by chunk, so a kernel never needs a whole row of logits.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "core/random.h"
#include "cuda/block/quad_rows.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"

namespace gesso::cuda {

constexpr int kChunkThreads = 512;
constexpr int kChunkWarps = kChunkThreads / kWarpSize;
constexpr int kChunkGroups = 4;  // per thread. A group is four tokens, which share one call of draw_words

// The number of threads of a block that walks rows of `vocab_size` tokens. A short vocabulary gets fewer threads, since
// it could not keep 512 busy.
inline int chunk_threads(int64_t vocab_size) {
  constexpr int64_t kWarpTokens = kWarpSize * kChunkGroups * 4;
  const int64_t num_warps = (vocab_size + kWarpTokens - 1) / kWarpTokens;
  return num_warps < kChunkWarps ? static_cast<int>(num_warps) * kWarpSize : kChunkThreads;
}
// The number of tokens that such a block takes at once: a multiple of 512, at most 8192.
inline int64_t chunk_tokens(int64_t vocab_size) { return chunk_threads(vocab_size) * kChunkGroups * 4; }

// A thread's part of a chunk. Places behind the vocabulary hold -inf, whose weight is 0.
struct Chunk {
  float z[kChunkGroups][4];
};
// The first token of a thread's group, counted from the chunk's first token. Neighbouring threads have neighbouring
// groups.
__device__ inline int group_begin(int group) {
  return 4 * (group * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x));
}
// The number of tokens of a whole chunk.
__device__ inline int64_t chunk_step() { return kChunkGroups * 4 * static_cast<int64_t>(blockDim.x); }
// Reads the columns of row `row` from `first` on.
template <typename T>
__device__ inline Chunk read_chunk(const QuadRows<T>& rows, int64_t row, int64_t first) {
  Chunk chunk;
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
    const int64_t column = first + group_begin(g);
    const Quad quad = rows.load(row, column);
#pragma unroll
    for (int i = 0; i < 4; ++i) chunk.z[g][i] = column + i < rows.columns ? quad.v[i] : -INFINITY;
  }
  return chunk;
}

// A token that may be the best. It stays token 0 where no value is above -inf. A NaN is never the best.
struct Candidate {
  float value = -INFINITY;
  int32_t token = 0;
};
// The candidate with the larger value. Of two equal values the lower token wins.
__device__ inline Candidate better(Candidate a, Candidate b) {
  return b.value > a.value || (b.value == a.value && b.token < a.token) ? b : a;
}
__device__ inline Candidate better_in_warp(Candidate candidate) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    candidate = better(candidate, {shuffle_xor(candidate.value, mask), shuffle_xor(candidate.token, mask)});
  }
  return candidate;
}

// What is known of a row after some of its chunks. m is the largest z so far, and p_v = e^(z_v - m).
struct RowProgress {
  double rest = 0;       // sum of p without the argmax' own 1: beside it a rest of 1e-17 would round to nothing
  double weighted = 0;   // sum of (z_v - m) p_v
  float weight_sum = 0;  // sum of p rounded to bf16, as the product with the table uses it
  float factor = 0;      // e^(m before this chunk - m): sums over the chunks before are multiplied by it
  Candidate argmax;      // of z; its value is m
  Candidate draw;        // of z + noise
};

// The entropy in nats: ln S - W / S with S = 1 + rest and W = weighted. It is NaN for a row that holds NaN or that has
// nothing above -inf.
__device__ inline float entropy(const RowProgress& row) {
  if (!(fabsf(row.argmax.value) < INFINITY)) return NAN;
  return static_cast<float>(log1p(row.rest) - row.weighted / (1 + row.rest));
}

// m + ln S, and NaN for such a row.
__device__ inline float log_sum(const RowProgress& row) {
  if (!(fabsf(row.argmax.value) < INFINITY)) return NAN;
  return static_cast<float>(row.argmax.value + log1p(row.rest));
}

// What a thread, a warp or the block has summed of a chunk. The sums are those of RowProgress.
struct ChunkSums {
  float rest = 0, weighted = 0, weights = 0;
};

// The shared memory of the functions below.
struct ChunkScratch {
  Candidate argmax[kChunkWarps];
  Candidate draw[kChunkWarps];
  ChunkSums sums[kChunkWarps];
};

__device__ inline Candidate chunk_argmax(const Chunk& chunk, int32_t first, ChunkScratch& scratch) {
  Candidate best;
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (chunk.z[g][i] > best.value) best = {chunk.z[g][i], first + group_begin(g) + i};
    }
  }
  best = better_in_warp(best);
  if (lane_index() == 0) scratch.argmax[warp_index()] = best;
  sync_block();
  const int num_warps = static_cast<int>(blockDim.x) / kWarpSize;
  for (int warp = 0; warp < num_warps; ++warp) best = better(best, scratch.argmax[warp]);
  return best;
}

// The better of `best` and this thread's largest z + noise. A group is skipped after one comparison where it cannot
// win: even with the largest noise it does not exceed `best`, or does not reach `max`, the row's argmax, with the least
// noise.
__device__ inline Candidate chunk_draw(const Chunk& chunk, int32_t first, const DrawKey& key, float max,
                                       Candidate best) {
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
    const float* z = chunk.z[g];
    const float reachable = fmaxf(fmaxf(z[0], z[1]), fmaxf(z[2], z[3])) + kMaxGumbel;
    if (!(reachable > best.value && reachable >= max + kMinGumbel)) continue;
    const int32_t token = first + group_begin(g);
    const std::array<uint32_t, 4> words = draw_words(key, Draw::kSample, static_cast<uint32_t>(token) / 4);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float value = z[i] + gumbel(words[i]);
      if (value > best.value) best = {value, token + i};
    }
  }
  return best;
}

// Replaces z by p and sums this thread's values. `argmax` is the row's.
__device__ inline ChunkSums thread_sums(Chunk& chunk, int32_t first, Candidate argmax) {
  ChunkSums sums;
#pragma unroll
  for (int g = 0; g < kChunkGroups; ++g) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float z = chunk.z[g][i], shifted = z - argmax.value;
      const float p = z == -INFINITY ? 0.0f : expf(shifted);
      if (p != 0.0f) sums.weighted += shifted * p;  // avoids 0 * -inf
      if (first + group_begin(g) + i != argmax.token) sums.rest += p;
      sums.weights += from_bf16(to_bf16(p));
      chunk.z[g][i] = p;
    }
  }
  return sums;
}

__device__ inline ChunkSums sums_of_warp(ChunkSums sums) {
#pragma unroll
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    sums.rest += shuffle_xor(sums.rest, mask);
    sums.weighted += shuffle_xor(sums.weighted, mask);
    sums.weights += shuffle_xor(sums.weights, mask);
  }
  return sums;
}

// The row's largest z has become `argmax`. Scales what was summed so far to the new m. The first value of a row rises
// from -inf: the factor is 0 then, and a NaN stays a NaN.
__device__ inline void raise_max(RowProgress& row, Candidate argmax) {
  const float rise = argmax.value - row.argmax.value;
  row.factor = expf(-rise);
  row.argmax = argmax;
  if (threadIdx.x != 0) return;
  const double sum = row.factor * (1 + row.rest);  // the argmax before is one of the rest from now on
  row.weighted = row.factor * row.weighted - (row.factor > 0 ? rise * sum : 0);
  row.rest = sum;
  row.weight_sum *= row.factor;
}

// Adds the chunk that begins at token `first` to its row, and replaces its z by p. All threads of the block call this
// with the same row. Only the first thread's sums in `row` are valid afterwards. Where `key` is null, nothing is drawn.
__device__ inline void add_chunk(Chunk& chunk, int32_t first, const DrawKey* key, ChunkScratch& scratch,
                                 RowProgress& row) {
  const Candidate argmax = chunk_argmax(chunk, first, scratch);
  row.factor = 1;
  if (argmax.value > row.argmax.value) raise_max(row, argmax);
  if (key) row.draw = better_in_warp(chunk_draw(chunk, first, *key, row.argmax.value, row.draw));
  ChunkSums sums = sums_of_warp(thread_sums(chunk, first, row.argmax));
  if (lane_index() == 0) {
    scratch.draw[warp_index()] = row.draw;
    scratch.sums[warp_index()] = sums;
  }
  sync_block();
  const int num_warps = static_cast<int>(blockDim.x) / kWarpSize;
  for (int warp = 0; warp < num_warps; ++warp) row.draw = better(row.draw, scratch.draw[warp]);
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < num_warps; ++warp) {
    sums.rest += scratch.sums[warp].rest;
    sums.weighted += scratch.sums[warp].weighted;
    sums.weights += scratch.sums[warp].weights;
  }
  row.rest += sums.rest;
  row.weighted += sums.weighted;
  row.weight_sum += sums.weights;
}

}  // namespace gesso::cuda
