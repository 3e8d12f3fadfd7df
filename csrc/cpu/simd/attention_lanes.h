// Softmax attention of a group of queries over keys that come in blocks. Each query has a lane of its own, and its
// result does not depend on the other lanes.
#pragma once

#include <cstdint>

#include "cpu/simd/lane_product.h"

namespace gesso::cpu {

// Copies of up to 64 keys and their values. A LaneProduct computes a fixed number of rows, which may be more than there
// are. So the memory has padded_keys() rows of `stride` elements, and the caller fills what is not used with zeros.
struct KeyBlock {
  static constexpr int64_t kKeys = 64;

  int64_t num_keys = 0;
  int64_t stride = 0;
  float* keys = nullptr;
  float* values = nullptr;

  static int64_t padded_keys();
  // The distance between rows, in elements. It is one cache line longer than a row. Otherwise rows of 256 or 512
  // elements would compete for the same places in the cache.
  static int64_t stride_for(int64_t head_dim);
  static int64_t memory_size(int64_t head_dim) { return 2 * padded_keys() * stride_for(head_dim); }

  KeyBlock(int64_t head_dim, float* memory);
};

class AttentionLanes {
 public:
  static constexpr int64_t kMaxLanes = 48;

  static int64_t num_lanes() { return lane_product().lanes; }
  static int64_t scores_size() { return KeyBlock::padded_keys() * num_lanes(); }
  static int64_t memory_size(int64_t head_dim);

  AttentionLanes() = default;
  AttentionLanes(int64_t head_dim, float* memory);

  // Begins anew with these queries [num_lanes()][head_dim].  queries[lane] points at the query of a lane.
  void start(const float* const* queries);
  // scores [padded_keys(), num_lanes()] = keys . queries. Before add(), the caller may set scores to -infinity for keys
  // that a lane does not see.
  void score(const KeyBlock& block, float* scores) const;
  // Adds the block's values, weighted with the softmax of the scores. Overwrites the scores.
  void add(const KeyBlock& block, float* scores);
  // Writes the results of the first `count` lanes: out[lane] points at head_dim elements.
  void finish(float* const* out, int64_t count) const;

 private:
  int64_t head_dim_ = 0;
  float* queries_ = nullptr;                                     // [head_dim, lanes]
  float* totals_ = nullptr;                                      // [head_dim rounded up to whole tiles, lanes]
  float *max_ = nullptr, *sums_ = nullptr, *factors_ = nullptr;  // [lanes]
};

}  // namespace gesso::cpu
