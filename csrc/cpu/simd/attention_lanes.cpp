#include "cpu/simd/attention_lanes.h"

#include <algorithm>
#include <limits>

#include "cpu/simd/online_softmax.h"

namespace gesso::cpu {
namespace {

constexpr int64_t kDepth = 32;        // dims of one pass over the scores; what a pass reads fits the L1 cache
constexpr int64_t kCopiedDims = 128;  // dims that are copied at once; the copies of all lanes fit the L1 cache
constexpr int64_t kCacheLine = 16;    // in floats

int64_t round_up(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }
int64_t padded_dim(int64_t head_dim) { return round_up(head_dim, lane_product().rows); }

}  // namespace

int64_t KeyBlock::padded_keys() { return round_up(kKeys, lane_product().rows); }

int64_t KeyBlock::stride_for(int64_t head_dim) { return round_up(padded_dim(head_dim), kCacheLine) + kCacheLine; }

KeyBlock::KeyBlock(int64_t head_dim, float* memory)
    : stride(stride_for(head_dim)), keys(memory), values(memory + padded_keys() * stride) {}

int64_t AttentionLanes::memory_size(int64_t head_dim) { return (head_dim + padded_dim(head_dim) + 3) * num_lanes(); }

AttentionLanes::AttentionLanes(int64_t head_dim, float* memory)
    : head_dim_(head_dim), queries_(memory), totals_(queries_ + head_dim * num_lanes()) {
  max_ = totals_ + padded_dim(head_dim) * num_lanes();
  sums_ = max_ + num_lanes();
  factors_ = sums_ + num_lanes();
}

void AttentionLanes::start(const float* const* queries) {
  const int64_t lanes = num_lanes();
  for (int64_t first = 0; first < head_dim_; first += kCopiedDims) {
    const int64_t last = std::min(first + kCopiedDims, head_dim_);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      for (int64_t d = first; d < last; ++d) queries_[d * lanes + lane] = queries[lane][d];
    }
  }
  std::fill_n(totals_, padded_dim(head_dim_) * lanes, 0.0f);
  std::fill_n(max_, lanes, std::numeric_limits<float>::lowest());
  std::fill_n(sums_, lanes, 0.0f);
}

void AttentionLanes::score(const KeyBlock& block, float* scores) const {
  const LaneProduct& product = lane_product();
  std::fill_n(scores, scores_size(), 0.0f);
  for (int64_t first = 0; first < head_dim_; first += kDepth) {
    const int64_t depth = std::min(kDepth, head_dim_ - first);
    for (int64_t j = 0; j < block.num_keys; j += product.rows) {
      product.run(block.keys + j * block.stride + first, block.stride, 1, queries_ + first * product.lanes, depth,
                  nullptr, scores + j * product.lanes);
    }
  }
}

void AttentionLanes::add(const KeyBlock& block, float* scores) {
  const LaneProduct& product = lane_product();
  online_softmax(scores, block.num_keys, product.lanes, max_, sums_, factors_);
  for (int64_t d = 0; d < head_dim_; d += product.rows) {
    product.run(block.values + d, 1, block.stride, scores, block.num_keys, factors_, totals_ + d * product.lanes);
  }
}

void AttentionLanes::finish(float* const* out, int64_t count) const {
  const int64_t lanes = num_lanes();
  for (int64_t first = 0; first < head_dim_; first += kCopiedDims) {
    const int64_t last = std::min(first + kCopiedDims, head_dim_);
    for (int64_t lane = 0; lane < count; ++lane) {
      const float inverse = 1.0f / sums_[lane];
      for (int64_t d = first; d < last; ++d) out[lane][d] = totals_[d * lanes + lane] * inverse;
    }
  }
}

}  // namespace gesso::cpu
