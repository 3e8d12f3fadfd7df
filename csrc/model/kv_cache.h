// The keys and values of one sequence's encoded tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "core/context.h"
#include "gesso/config.h"
#include "ops/key_value_layout.h"

namespace gesso::model {

// The keys and values of one layer, for the positions begin .. end - 1. The layout says how a row is stored. The rows
// are in the memory of the context's device. (Keys and values are never stored in less than bf16: the scale of q . k is
// 1, so it does not make their error smaller.)
//
// A copy shares the rows, in no time and without memory. Whichever of the two appends first makes a copy of its own.
class LayerCache {
 public:
  // `window` is 0 for a full layer, which keeps everything. A sliding layer keeps at least the last window - 1
  // positions.
  LayerCache(const ops::KeyValueLayout& layout, int64_t window)
      : window_(window), keys_{layout.key_row_bytes, {}}, values_{layout.value_row_bytes, {}} {}

  // Allocates memory for all positions up to `length`. Otherwise each pass of a long prompt might have to copy the
  // cache.
  void reserve(const Context& context, int64_t length);
  // Allocates what append() would allocate. So the append() that follows cannot fail.
  void make_room(const Context& context, int64_t count);
  // Appends `count` positions; the caller writes their memory through keys() and values(). Afterwards no other cache
  // shares the rows. A sliding layer drops positions before its window only when it runs out of room.
  void append(const Context& context, int64_t count);
  // Makes an empty layer hold the positions begin .. end - 1. The caller writes their memory through keys() and
  // values().
  void adopt(const Context& context, int64_t begin, int64_t end);
  // Forgets the positions from `length` on. The caller must have asked can_rewind().
  void rewind(int64_t length);
  // The first position that a token at position `length` sees.
  int64_t first_needed(int64_t length) const;
  // Whether the layer still has every position that a token at position `length` sees.
  bool can_rewind(int64_t length) const;

  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  std::byte* keys(int64_t position) const { return keys_.row(position - begin_); }
  std::byte* values(int64_t position) const { return values_.row(position - begin_); }
  int64_t num_bytes() const { return keys_.bytes.size() + values_.bytes.size(); }

 private:
  struct Rows {
    int64_t row_bytes = 0;
    SharedBuffer<std::byte> bytes;

    std::byte* row(int64_t index) const { return bytes.data() + index * row_bytes; }
  };

  int64_t capacity() const { return keys_.bytes.size() / keys_.row_bytes; }
  bool is_shared() const { return keys_.bytes.is_shared() || values_.bytes.is_shared(); }
  void move_to(const Context& context, int64_t begin, int64_t capacity);

  int64_t window_;
  int64_t begin_ = 0, end_ = 0;
  Rows keys_, values_;
};

// A copy shares the rows, see LayerCache.
class KvCache {
 public:
  // `layouts` has one entry per layer.
  KvCache(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts);

  int64_t length() const { return length_; }
  LayerCache& layer(int64_t index) { return layers_[index]; }
  const LayerCache& layer(int64_t index) const { return layers_[index]; }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  void reserve(const Context& context, int64_t length);
  void make_room(const Context& context, int64_t count);
  // Appends to every layer at once, so that a batch of rows can be written layer by layer.
  void append(const Context& context, int64_t count);
  // Makes an empty cache hold what a token at position `length` sees, or in layer i the positions from begins[i] on.
  // The caller writes the rows. After an exception the caller must rewind the cache to 0.
  void adopt(const Context& context, int64_t length);
  void adopt(const Context& context, std::span<const int64_t> begins, int64_t length);
  // Whether every sliding layer still has what a token at `length` sees.
  bool can_rewind(int64_t length) const;
  // Keeps the positions below `length`. If that cannot be, all positions are dropped: length() is 0 afterwards, and the
  // tokens must be encoded again.
  void rewind(int64_t length);
  int64_t num_bytes() const;
  // The most that num_bytes() can be for a sequence of `length` tokens that is adopted, or encoded in passes of at most
  // `rows_per_pass`.
  static int64_t max_bytes(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts, int64_t length,
                           int64_t rows_per_pass);

 private:
  std::vector<LayerCache> layers_;
  int64_t length_ = 0;
};

// Rewinds caches to the lengths that they had when they were added, unless release() is called.
class CacheRollback {
 public:
  CacheRollback() = default;
  CacheRollback(const CacheRollback&) = delete;
  CacheRollback& operator=(const CacheRollback&) = delete;
  ~CacheRollback() {
    for (const Entry& entry : entries_) entry.cache->rewind(entry.length);
  }
  void add(KvCache& cache) { entries_.push_back({&cache, cache.length()}); }
  void release() { entries_.clear(); }

 private:
  struct Entry {
    KvCache* cache;
    int64_t length;
  };
  std::vector<Entry> entries_;
};

}  // namespace gesso::model
