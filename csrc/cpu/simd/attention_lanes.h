// Softmax attention of a group of queries, each in a lane of its own, over keys that come in blocks. What a lane gets
// does not depend on the other lanes.
#pragma once

#include <cstdint>

#include "cpu/simd/lane_product.h"

namespace gesso::cpu {

// Up to 64 keys and their values, copied so that the tiles of a product may stick out: zeros up to padded_keys() rows
// and to `stride` elements of each.
struct KeyBlock {
  static constexpr int64_t kKeys = 64;

  int64_t num_keys = 0;
  int64_t stride = 0;
  float* keys = nullptr;
  float* values = nullptr;

  static int64_t padded_keys();
  // Elements between rows: one cache line more than a row, or rows would compete for the same places of the cache.
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

  // Begins anew with these queries [num_lanes()][head_dim].
  void start(const float* const* queries);
  // scores [64, num_lanes()] = keys . queries. Before add() the caller may set those of keys that a lane does not see
  // to -infinity.
  void score(const KeyBlock& block, float* scores) const;
  // Adds the block's values, weighed by the softmax of the scores, which it overwrites.
  void add(const KeyBlock& block, float* scores);
  // The results, to `count` rows of head_dim.
  void finish(float* const* out, int64_t count) const;

 private:
  int64_t head_dim_ = 0;
  float* queries_ = nullptr;                                     // [head_dim, lanes]
  float* totals_ = nullptr;                                      // [head_dim rounded up to whole tiles, lanes]
  float *max_ = nullptr, *sums_ = nullptr, *factors_ = nullptr;  // [lanes]
};

}  // namespace gesso::cpu
