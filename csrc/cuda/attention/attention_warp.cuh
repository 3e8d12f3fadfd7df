// What a warp of the attention kernel does with one band of queries and one slice of the head's dims. In a fragment
// (device/mma.h) a lane has values of two queries of the band: queries lane / 4 and lane / 4 + 8.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "cuda/attention/attention_keys.cuh"
#include "cuda/device/access.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/fast_math.h"
#include "cuda/device/mma.h"
#include "cuda/device/warp.h"
#include "cuda/gemm/pack/store_packed.h"

namespace gesso::cuda {

constexpr int kStepDims = 16;  // dims or keys that one matrix instruction multiplies
constexpr int kStepKeys = 8;   // keys, or dims of the result, that one matrix instruction makes

// The score of a key that a query does not see, and the maximum of a query that has seen no key yet.
constexpr float kNothing = -std::numeric_limits<float>::infinity();

__device__ inline uint32_t load_pair(const float* head, int dim, int end) {
  return pack_bf16(dim < end ? head[dim] : 0.0f, dim + 1 < end ? head[dim + 1] : 0.0f);
}

// Keys are multiplied in two halves of the head (see AttentionArguments). A slice is one of these halves, or both.
template <typename Tile>
constexpr int kHalves = 2 / Tile::kSlices;
template <typename Tile>
constexpr int kHalfSteps = Tile::kDim / 2 / kStepDims;

// The queries as operand A of a product with keys.
template <typename Tile>
struct QueryFragments {
  uint32_t a[kHalves<Tile>][kHalfSteps<Tile>][4];

  __device__ void load(const float* const (&heads)[2], const ThreadPlace& place, int half, int head_dim) {
#pragma unroll
    for (int h = 0; h < kHalves<Tile>; ++h) {
      const int begin = (place.slice + h) * half, end = std::min(begin + half, head_dim);
#pragma unroll
      for (int step = 0; step < kHalfSteps<Tile>; ++step) {
        const int dim = begin + step * kStepDims + 2 * (place.lane % 4);
#pragma unroll
        for (int i = 0; i < 4; ++i) a[h][step][i] = load_pair(heads[i % 2], dim + i / 2 * 8, end);
      }
    }
  }
};

// The scores of kKeys keys, and the weights made from them as operand A of a product with values.
template <typename Tile>
using Scores = float[Tile::kKeys / kStepKeys][4];
template <typename Tile>
using Weights = uint32_t[Tile::kKeys / kStepDims][4];

// scores += q . keys over the dims of the slice.
template <typename Tile>
__device__ void multiply_keys(const AttentionArguments& a, const QueryFragments<Tile>& q, const std::byte* stage,
                              const ThreadPlace& place, Scores<Tile>& scores) {
  constexpr int kRowBytes = padded_row_bytes(value_tile_bytes(Tile::kDim)), kHalf = Tile::kDim / 2;
  const int lane_row = place.lane / 16 * 8 + place.lane % 8, lane_bytes = place.lane / 8 % 2 * kPieceBytes;
  const std::byte* keys = stage + lane_row * kRowBytes + lane_bytes;
#pragma unroll
  for (int h = 0; h < kHalves<Tile>; ++h) {
    const int half = place.slice + h;
    const std::byte* in_keys = keys + 2 * half * (Tile::kHasOneCopy ? a.half_in_keys : kHalf);
    const std::byte* in_values = keys + Tile::kKeys * kRowBytes + 2 * half * a.half;
#pragma unroll
    for (int step = 0; step < kHalfSteps<Tile>; ++step) {
      constexpr int kUnit = stored_key_unit(Tile::kDim);
      const bool is_in_keys = !Tile::kHasOneCopy || step * kStepDims / kUnit * kUnit < a.half_in_keys;
      const std::byte* dims = (is_in_keys ? in_keys : in_values) + 2 * step * kStepDims;
#pragma unroll
      for (int n = 0; n < Tile::kKeys / kStepKeys; n += 2) {
        uint32_t b[4];
        load_matrix_x4(b, dims + n * kStepKeys * kRowBytes);
        const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
        mma_bf16(scores[n], q.a[h][step], b0);
        mma_bf16(scores[n + 1], q.a[h][step], b1);
      }
    }
  }
}

struct alignas(16) ScoreFragment {
  float v[4];
};

// Adds up the scores of the two slices of a band. The two warps of the band swap their scores. Then both have the sums,
// with the same bits. `exchange` may be written again after the block's next barrier.
template <typename Tile>
__device__ void add_slices(ScoreFragment* exchange, const ThreadPlace& place, Scores<Tile>& scores) {
  static_assert(Tile::kSlices <= 2, "a sum of two has one order");
  if constexpr (Tile::kSlices == 2) {
    constexpr int kFragments = Tile::kKeys / kStepKeys;
    ScoreFragment* of_band = exchange + place.band * 2 * kFragments * kWarpSize + place.lane;
    ScoreFragment* mine = of_band + place.slice * kFragments * kWarpSize;
    const ScoreFragment* others = of_band + (1 - place.slice) * kFragments * kWarpSize;
#pragma unroll
    for (int n = 0; n < kFragments; ++n) {
      store_to(mine + n * kWarpSize, ScoreFragment{{scores[n][0], scores[n][1], scores[n][2], scores[n][3]}});
    }
    sync_warps(1 + place.band, 2 * kWarpSize);
#pragma unroll
    for (int n = 0; n < kFragments; ++n) {
      const ScoreFragment other = load_from<ScoreFragment>(others + n * kWarpSize);
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[n][i] += other.v[i];
    }
  }
}

// Sets the scores of keys that a query does not see to kNothing. The first key is at position `first`.
template <typename Tile>
__device__ void mask_scores(const KeyRange (&seen)[2], int first, const ThreadPlace& place, Scores<Tile>& scores) {
  const int begin = std::max(seen[0].begin, seen[1].begin), end = std::min(seen[0].end, seen[1].end);
  if (first >= begin && first + Tile::kKeys <= end) return;
#pragma unroll
  for (int n = 0; n < Tile::kKeys / kStepKeys; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int position = first + n * kStepKeys + 2 * (place.lane % 4) + i % 2;
      if (!seen[i / 2].contains(position)) scores[n][i] = kNothing;
    }
  }
}

// The softmax of a lane's two queries over keys that come a few at a time, with a running maximum (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018). Keys that a query does not see change no bit of its
// result.
struct RunningSoftmax {
  float max[2] = {kNothing, kNothing};
  float sum[2] = {0, 0};         // of this lane's keys; finish() adds the four lanes that share a query
  float correction[2] = {1, 1};  // the factor for everything that was summed before the last step

  // Turns scores into weights and rounds them to bf16, as they will be multiplied. The sums are sums of the rounded
  // weights. Calls put(n, row, pair) for each pair of weights; the scores of the pair are not needed any more.
  template <typename Tile, typename Put>
  __device__ void step(const Scores<Tile>& scores, const Put& put) {
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float top = max[row];
#pragma unroll
      for (const auto& s : scores) top = fmaxf(top, fmaxf(s[2 * row], s[2 * row + 1]));
      top = fmaxf(top, shuffle_xor(top, 1));
      top = fmaxf(top, shuffle_xor(top, 2));
      const float base = top == kNothing ? 0.0f : top;
      correction[row] = weight(max[row], base);
      max[row] = top;
      float sum_of_step = 0;
#pragma unroll
      for (int n = 0; n < Tile::kKeys / kStepKeys; ++n) {
        const uint32_t pair = pack_bf16(weight(scores[n][2 * row], base), weight(scores[n][2 * row + 1], base));
        put(n, row, pair);
        sum_of_step += bf16_low(pair) + bf16_high(pair);
      }
      sum[row] = sum[row] * correction[row] + sum_of_step;
    }
  }
  __device__ void finish() {
#pragma unroll
    for (float& s : sum) {
      s += shuffle_xor(s, 1);
      s += shuffle_xor(s, 2);
    }
  }
  // Takes over what another part of the keys came to. The sums of what was weighed get the factors `own` and `other`.
  // Both parts come to the same bits.
  __device__ void join(int row, float other_max, float other_sum, float& own, float& other) {
    const float top = fmaxf(max[row], other_max), base = top == kNothing ? 0.0f : top;
    own = weight(max[row], base);
    other = weight(other_max, base);
    max[row] = top;
    sum[row] = rounded_product(sum[row], own) + rounded_product(other_sum, other);
  }
  // All lanes of the warp get the same answer.
  __device__ bool needs_correction() const { return ballot(correction[0] != 1.0f || correction[1] != 1.0f) != 0; }

 private:
  static __device__ float weight(float score, float base) {
    constexpr float kLog2E = 1.44269504f;
    return fast_exp2((score - base) * kLog2E);
  }
};

// The part of the result that a warp sums. It is not yet divided by the sum of the weights.
template <typename Tile>
struct OutputFragments {
  static constexpr int kFragments = Tile::kSliceDims / kStepKeys;
  float d[kFragments][4] = {};

  __device__ void scale(const float (&factors)[2]) {
#pragma unroll
    for (auto& fragment : d) {
#pragma unroll
      for (int i = 0; i < 4; ++i) fragment[i] *= factors[i / 2];
    }
  }
  // d += weights . values
  __device__ void add(const Weights<Tile>& weights, const std::byte* values, const ThreadPlace& place) {
    constexpr int kRowBytes = padded_row_bytes(value_tile_bytes(Tile::kDim));
    const int lane_row = place.lane % 16, lane_bytes = place.lane / 16 * kPieceBytes;
    const std::byte* of_lane = values + lane_row * kRowBytes + 2 * place.slice * Tile::kSliceDims + lane_bytes;
#pragma unroll
    for (int step = 0; step < Tile::kKeys / kStepDims; ++step) {
#pragma unroll
      for (int n = 0; n < kFragments; n += 2) {
        uint32_t b[4];
        load_matrix_x4_transposed(b, of_lane + step * kStepDims * kRowBytes + n * kPieceBytes);
        const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
        mma_bf16(d[n], weights[step], b0);
        mma_bf16(d[n + 1], weights[step], b1);
      }
    }
  }
  // Calls f(row, where, sum) for each sum of the lane's queries. `where` is its place in `sums`, a.out or memory like
  // it. Where f loads, a warp waits for itself from time to time: the compiler would have more loads under way than
  // there are registers.
  template <typename F>
  __device__ void for_each(const AttentionArguments& a, float* sums, const LaneQueries& queries,
                           const ThreadPlace& place, const F& f) {
    const int lane_dim = place.slice * Tile::kSliceDims + 2 * (place.lane % 4);
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      const int end = queries.exists(row) ? a.head_dim : 0;
      float* head = queries.head(a, row).in(sums, a.out_stride);
#pragma unroll
      for (int n = 0; n < kFragments; ++n) {
        const int dim = lane_dim + n * kStepKeys;
        if (n % 4 == 0) sync_warp();
        if (dim < end) f(row, head + dim, d[n][2 * row]);
        if (dim + 1 < end) f(row, head + dim + 1, d[n][2 * row + 1]);
      }
    }
  }
  __device__ void store(const AttentionArguments& a, const float (&sums)[2], const LaneQueries& queries,
                        const ThreadPlace& place) {
    if (a.packed.values) return store_packed_rows(a, sums, queries, place);
    const float factors[2] = {1.0f / sums[0], 1.0f / sums[1]};
    for_each(a, a.out, queries, place, [&](int row, float* there, float sum) { *there = sum * factors[row]; });
  }
  __device__ void store_packed_rows(const AttentionArguments& a, const float (&sums)[2], const LaneQueries& queries,
                                    const ThreadPlace& place) const {
    static_assert(kFragments % 4 == 0, "32 columns are rounded together");
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      const HeadPlace head = queries.head(a, row);
      const float factor = 1.0f / sums[row];
#pragma unroll
      for (int n = 0; n < kFragments; n += 4) {
        const int dim = place.slice * Tile::kSliceDims + n * kStepKeys;
        float values[4][2];
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i / 2][i % 2] = rounded_product(d[n + i / 2][2 * row + i % 2], factor);
        store_packed_fragments(a.packed, head.row, head.column + dim, values, queries.exists(row) && dim < a.head_dim);
      }
    }
  }
};

}  // namespace gesso::cuda
