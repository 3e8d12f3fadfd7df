// Keys and values of one sequence's encoded tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "gesso/config.h"

namespace gesso::model {

// One layer: positions begin .. end - 1, contiguous. Keys and values [position, G, K], float32 (the attention scale is
// 1, so nothing damps the error of a narrower type).
class LayerCache {
 public:
  // window 0: a full layer keeps everything. Otherwise at least the last window - 1 positions stay.
  LayerCache(int64_t row_size, int64_t window) : row_size_(row_size), window_(window) {}

  // Allocates for positions up to `length` at once, so that a long prompt's passes do not move the cache again and
  // again.
  void reserve(int64_t length);
  // Makes room for `count` more positions and appends them; their memory is written by the caller through keys() and
  // values(). A sliding layer drops what its window has left behind only when it runs out of room.
  void append(int64_t count);
  // Forgets positions >= length; the caller has asked can_rewind().
  void rewind(int64_t length);
  // Whether a token at position `length` would find everything its window reaches.
  bool can_rewind(int64_t length) const;

  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  float* keys(int64_t position) const { return keys_.data() + (position - begin_) * row_size_; }
  float* values(int64_t position) const { return values_.data() + (position - begin_) * row_size_; }
  int64_t num_bytes() const { return (keys_.size() + values_.size()) * static_cast<int64_t>(sizeof(float)); }

 private:
  void move_to(int64_t begin, int64_t capacity);

  int64_t row_size_, window_;
  int64_t begin_ = 0, end_ = 0;
  Buffer<float> keys_, values_;
};

class KvCache {
 public:
  explicit KvCache(const ModelConfig& config);

  int64_t length() const { return length_; }
  LayerCache& layer(int64_t index) { return layers_[index]; }
  void reserve(int64_t length);
  // Appends to every layer at once, so that a batch of rows can be written layer by layer.
  void append(int64_t count);
  // Keeps positions < length. When a sliding layer has dropped something that a token at `length` would see, everything
  // is forgotten: length() is then 0, and the tokens must be encoded again.
  void rewind(int64_t length);
  int64_t num_bytes() const;
  // The most that num_bytes() can be for a sequence of `length` tokens encoded at most `rows_per_pass` at a time.
  static int64_t max_bytes(const ModelConfig& config, int64_t length, int64_t rows_per_pass);

 private:
  std::vector<LayerCache> layers_;
  int64_t length_ = 0;
};

}  // namespace gesso::model
