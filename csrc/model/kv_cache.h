// Keys and values of one sequence's encoded tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "core/context.h"
#include "gesso/config.h"
#include "ops/key_value_layout.h"

namespace gesso::model {

// One layer: the positions begin .. end - 1. Keys and values are in rows as the layout says, in the memory of the
// context's device. (They are never narrower than bf16: the attention scale is 1, so it does not make their error
// smaller.)
class LayerCache {
 public:
  // window 0: a full layer keeps everything. Otherwise at least the last window - 1 positions stay.
  LayerCache(const ops::KeyValueLayout& layout, int64_t window)
      : window_(window), keys_{layout.key_row_bytes, {}}, values_{layout.value_row_bytes, {}} {}

  // Allocates memory for all positions up to `length`. Without it, each pass of a long prompt could move the cache.
  void reserve(const Context& context, int64_t length);
  // Appends `count` positions; the caller writes their memory through keys() and values(). A sliding layer drops
  // positions before its window only when it runs out of room.
  void append(const Context& context, int64_t count);
  // Forgets positions >= length; the caller has asked can_rewind().
  void rewind(int64_t length);
  // Whether a token at position `length` would find everything its window reaches.
  bool can_rewind(int64_t length) const;

  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  std::byte* keys(int64_t position) const { return keys_.row(position - begin_); }
  std::byte* values(int64_t position) const { return values_.row(position - begin_); }
  int64_t num_bytes() const { return keys_.bytes.size() + values_.bytes.size(); }

 private:
  struct Rows {
    int64_t row_bytes = 0;
    Buffer<std::byte> bytes;

    std::byte* row(int64_t index) const { return bytes.data() + index * row_bytes; }
  };

  int64_t capacity() const { return keys_.bytes.size() / keys_.row_bytes; }
  void move_to(const Context& context, int64_t begin, int64_t capacity);

  int64_t window_;
  int64_t begin_ = 0, end_ = 0;
  Rows keys_, values_;
};

class KvCache {
 public:
  // One layout per layer.
  KvCache(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts);

  int64_t length() const { return length_; }
  LayerCache& layer(int64_t index) { return layers_[index]; }
  void reserve(const Context& context, int64_t length);
  // Appends to every layer at once, so that a batch of rows can be written layer by layer.
  void append(const Context& context, int64_t count);
  // Keeps the positions below `length`. If a sliding layer has dropped a position that a token at `length` would see,
  // all positions are dropped: length() is 0 afterwards, and the tokens must be encoded again.
  void rewind(int64_t length);
  int64_t num_bytes() const;
  // The most that num_bytes() can be for a sequence of `length` tokens encoded at most `rows_per_pass` at a time.
  static int64_t max_bytes(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts, int64_t length,
                           int64_t rows_per_pass);

 private:
  std::vector<LayerCache> layers_;
  int64_t length_ = 0;
};

}  // namespace gesso::model
