#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace gesso::model {
namespace {

// Positions by which a cache grows at the least: few moves while a conversation grows, little memory over what is used.
constexpr int64_t kGrowth = 256;

}  // namespace

void LayerCache::move_to(int64_t begin, int64_t capacity) {
  const int64_t kept = (end_ - begin) * row_size_;
  if (capacity * row_size_ > keys_.size()) {
    // One after the other: only one old buffer is alive beside its successor.
    for (Buffer<float>* buffer : {&keys_, &values_}) {
      Buffer<float> grown(capacity * row_size_);
      if (kept > 0) std::memcpy(grown.data(), buffer->data() + (begin - begin_) * row_size_, kept * sizeof(float));
      *buffer = std::move(grown);
    }
  } else if (begin > begin_) {
    std::memmove(keys_.data(), keys(begin), kept * sizeof(float));
    std::memmove(values_.data(), values(begin), kept * sizeof(float));
  }
  begin_ = begin;
}

void LayerCache::reserve(int64_t length) {
  // A sliding layer's room is bounded by its window anyway; append() sizes it.
  if (window_ == 0 && (length - begin_) * row_size_ > keys_.size()) move_to(begin_, length - begin_);
}

void LayerCache::append(int64_t count) {
  const int64_t capacity = keys_.size() / row_size_;
  if (end_ + count - begin_ > capacity) {
    // The first of the new positions still sees window - 1 before it.
    const int64_t begin = window_ > 0 ? std::max(begin_, end_ - (window_ - 1)) : begin_;
    const int64_t needed = end_ + count - begin;
    move_to(begin, needed > capacity ? needed + kGrowth : capacity);
  }
  end_ += count;
}

bool LayerCache::can_rewind(int64_t length) const {
  return window_ == 0 || begin_ <= std::max<int64_t>(0, length - (window_ - 1));
}

void LayerCache::rewind(int64_t length) {
  end_ = length;
  begin_ = std::min(begin_, end_);
}

KvCache::KvCache(const ModelConfig& config) {
  for (const LayerConfig& layer : config.layers) {
    layers_.emplace_back(layer.num_key_value_heads * layer.head_dim, layer.is_sliding ? config.sliding_window : 0);
  }
}

void KvCache::append(int64_t count) {
  for (LayerCache& layer : layers_) layer.append(count);
  length_ += count;
}

void KvCache::reserve(int64_t length) {
  for (LayerCache& layer : layers_) layer.reserve(length);
}

void KvCache::rewind(int64_t length) {
  const bool possible =
      std::all_of(layers_.begin(), layers_.end(), [&](const LayerCache& layer) { return layer.can_rewind(length); });
  length_ = possible ? length : 0;
  for (LayerCache& layer : layers_) layer.rewind(length_);
}

int64_t KvCache::num_bytes() const {
  int64_t bytes = 0;
  for (const LayerCache& layer : layers_) bytes += layer.num_bytes();
  return bytes;
}

int64_t KvCache::max_bytes(const ModelConfig& config, int64_t length, int64_t rows_per_pass) {
  const int64_t rows_full = length + kGrowth;
  int64_t bytes = 0;
  for (const LayerConfig& layer : config.layers) {
    const int64_t rows_kept = config.sliding_window - 1 + rows_per_pass + kGrowth;
    const int64_t rows = layer.is_sliding ? std::min(rows_full, rows_kept) : rows_full;
    bytes += 2 * rows * layer.num_key_value_heads * layer.head_dim * static_cast<int64_t>(sizeof(float));
  }
  return bytes;
}

}  // namespace gesso::model
