#include "model/kv_cache.h"

#include <algorithm>

#include "model/sliding_window.h"
#include "ops/memory.h"

namespace gesso::model {
namespace {

// A cache grows by at least this many positions. A larger number would waste memory, a smaller one would copy the cache
// more often.
constexpr int64_t kGrowth = 256;

}  // namespace

void LayerCache::move_to(const Context& context, int64_t begin, int64_t new_capacity) {
  const int64_t kept = end_ - begin, dropped = begin - begin_;
  if (new_capacity > capacity() || is_shared()) {
    // Both allocations come before any change, since either of them may fail.
    SharedBuffer<std::byte> keys(ops::allocate<std::byte>(context, new_capacity * keys_.row_bytes));
    SharedBuffer<std::byte> values(ops::allocate<std::byte>(context, new_capacity * values_.row_bytes));
    ops::copy_within_device(context, keys_.row(dropped), kept * keys_.row_bytes, keys.data());
    ops::copy_within_device(context, values_.row(dropped), kept * values_.row_bytes, values.data());
    // Once this cache has given the rows up, they are freed, or another cache may write them, and that one's queue does
    // not wait for this one's.
    if (capacity() > 0) ops::synchronize(context);
    keys_.bytes = std::move(keys);
    values_.bytes = std::move(values);
  } else if (dropped > 0) {
    ops::move_down(context, keys_.row(dropped), kept * keys_.row_bytes, keys_.row(0));
    ops::move_down(context, values_.row(dropped), kept * values_.row_bytes, values_.row(0));
  }
  begin_ = begin;
}

void LayerCache::reserve(const Context& context, int64_t length) {
  // A sliding layer's room is bounded by its window anyway; append() sizes it.
  if (window_ == 0 && length - begin_ > capacity()) move_to(context, begin_, length - begin_);
}

void LayerCache::make_room(const Context& context, int64_t count) {
  const bool fits = end_ + count - begin_ <= capacity();
  if (!fits || is_shared()) {
    // The first position that a new one sees, where others have to go.
    const int64_t begin = fits ? begin_ : std::max(begin_, first_seen(window_, end_));
    const int64_t needed = end_ + count - begin;
    move_to(context, begin, needed > capacity() ? needed + kGrowth : capacity());
  }
}

void LayerCache::append(const Context& context, int64_t count) {
  make_room(context, count);
  end_ += count;
}

void LayerCache::adopt(const Context& context, int64_t begin, int64_t end) {
  begin_ = end_ = begin;
  append(context, end - begin);
}

int64_t LayerCache::first_needed(int64_t length) const { return first_seen(window_, length); }

bool LayerCache::can_rewind(int64_t length) const { return begin_ <= first_needed(length); }

void LayerCache::rewind(int64_t length) {
  end_ = length;
  begin_ = std::min(begin_, end_);
}

KvCache::KvCache(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts) {
  for (size_t i = 0; i < layouts.size(); ++i) {
    layers_.emplace_back(layouts[i], window_of(config, static_cast<int64_t>(i)));
  }
}

void KvCache::append(const Context& context, int64_t count) {
  for (LayerCache& layer : layers_) layer.append(context, count);
  length_ += count;
}

void KvCache::reserve(const Context& context, int64_t length) {
  for (LayerCache& layer : layers_) layer.reserve(context, length);
}

void KvCache::make_room(const Context& context, int64_t count) {
  for (LayerCache& layer : layers_) layer.make_room(context, count);
}

void KvCache::adopt(const Context& context, int64_t length) {
  for (LayerCache& layer : layers_) layer.adopt(context, layer.first_needed(length), length);
  length_ = length;
}

void KvCache::adopt(const Context& context, std::span<const int64_t> begins, int64_t length) {
  for (size_t i = 0; i < layers_.size(); ++i) layers_[i].adopt(context, begins[i], length);
  length_ = length;
}

bool KvCache::can_rewind(int64_t length) const {
  return std::all_of(layers_.begin(), layers_.end(), [&](const LayerCache& layer) { return layer.can_rewind(length); });
}

void KvCache::rewind(int64_t length) {
  length_ = can_rewind(length) ? length : 0;
  for (LayerCache& layer : layers_) layer.rewind(length_);
}

int64_t KvCache::num_bytes() const {
  int64_t bytes = 0;
  for (const LayerCache& layer : layers_) bytes += layer.num_bytes();
  return bytes;
}

int64_t KvCache::max_bytes(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts, int64_t length,
                           int64_t rows_per_pass) {
  const int64_t rows_full = length + kGrowth;
  int64_t bytes = 0;
  for (size_t i = 0; i < layouts.size(); ++i) {
    const int64_t rows_kept = config.sliding_window - 1 + rows_per_pass + kGrowth;
    const int64_t rows = config.layers[i].is_sliding ? std::min(rows_full, rows_kept) : rows_full;
    bytes += rows * (layouts[i].key_row_bytes + layouts[i].value_row_bytes);
  }
  return bytes;
}

}  // namespace gesso::model
