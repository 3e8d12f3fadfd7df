#include "engine/prefix_cache.h"

#include <algorithm>
#include <functional>
#include <new>

#include "core/check.h"
#include "core/log.h"
#include "model/sliding_window.h"
#include "ops/memory.h"

namespace gesso::engine {
namespace {

// Calls visit(rows in the cache, rows in `packed`, bytes) for the keys and for the values of each layer. The rows are
// those of the positions begin .. end - 1.
template <typename Layers, typename Visit>
void visit_rows(const Layers& layers, model::KvCache& cache, int64_t begin, int64_t end, std::byte* packed,
                const Visit& visit) {
  for (const auto& layer : layers) {
    const model::LayerCache& rows = cache.layer(layer.index);
    const int64_t key_bytes = (end - begin) * layer.key_row_bytes, value_bytes = (end - begin) * layer.value_row_bytes;
    visit(rows.keys(begin), packed, key_bytes);
    visit(rows.values(begin), packed + key_bytes, value_bytes);
    packed += key_bytes + value_bytes;
  }
}

template <typename Layers>
void pack(const Context& context, const Layers& layers, model::KvCache& cache, int64_t begin, int64_t end,
          std::byte* packed) {
  visit_rows(layers, cache, begin, end, packed, [&](const std::byte* cached, std::byte* copy, int64_t num_bytes) {
    ops::copy_within_device(context, cached, num_bytes, copy);
  });
}

template <typename Layers>
void unpack(const Context& context, const Layers& layers, model::KvCache& cache, int64_t begin, int64_t end,
            std::byte* packed) {
  visit_rows(layers, cache, begin, end, packed, [&](std::byte* cached, const std::byte* copy, int64_t num_bytes) {
    ops::copy_within_device(context, copy, num_bytes, cached);
  });
}

}  // namespace

bool PrefixCache::Key::operator<(const Key& other) const {
  if (parent != other.parent) return std::less<>()(parent, other.parent);
  if (salt != other.salt) return salt < other.salt;
  return std::lexicographical_compare(ids.begin(), ids.end(), other.ids.begin(), other.ids.end());
}

PrefixCache::PrefixCache(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts, int64_t max_bytes)
    : block_length_(config.canvas_length), window_(config.sliding_window), max_bytes_(max_bytes) {
  int64_t full_row_bytes = 0;
  for (size_t i = 0; i < layouts.size(); ++i) {
    const Layer layer = {static_cast<int64_t>(i), layouts[i].key_row_bytes, layouts[i].value_row_bytes};
    const bool is_sliding = config.layers[i].is_sliding;
    (is_sliding ? sliding_layers_ : full_layers_).push_back(layer);
    (is_sliding ? ring_row_bytes_ : full_row_bytes) += layer.key_row_bytes + layer.value_row_bytes;
  }
  row_bytes_ = block_length_ * full_row_bytes;
  block_bytes_ = row_bytes_ + block_length_ * static_cast<int64_t>(sizeof(int32_t));
}

// Whether the cache has all rows of the ring.
bool PrefixCache::has_window(model::KvCache& cache, int64_t cut) const {
  return std::all_of(sliding_layers_.begin(), sliding_layers_.end(),
                     [&](const Layer& layer) { return cache.layer(layer.index).can_rewind(cut); });
}

int64_t PrefixCache::ring_bytes(int64_t cut) const { return (cut - model::first_seen(window_, cut)) * ring_row_bytes_; }

PrefixCache::Path PrefixCache::find_path(std::span<const int32_t> ids, uint64_t salt) const {
  Path path;
  for (; std::ssize(ids) >= block_length_; ids = ids.subspan(block_length_)) {
    const auto found = blocks_.find({path.empty() ? nullptr : path.back(), salt, ids.first(block_length_)});
    if (found == blocks_.end()) break;
    path.push_back(found->second.get());
  }
  return path;
}

int64_t PrefixCache::num_restorable(const Path& path) const {
  if (ring_bytes(block_length_) == 0) return std::ssize(path);
  const auto last = std::find_if(path.rbegin(), path.rend(), [](const Block* block) { return block->ring.size() > 0; });
  return path.rend() - last;
}

PrefixCache::Match PrefixCache::find(std::span<const int32_t> ids, uint64_t salt) const {
  const Path path = find_path(ids, salt);
  return {num_restorable(path) * block_length_, std::ssize(path) * block_length_};
}

int64_t PrefixCache::restore(const Context& context, std::span<const int32_t> ids, uint64_t salt,
                             model::KvCache& empty) {
  check(empty.length() == 0, "restore: expected an empty cache, got one of ", empty.length(), " tokens");
  Path path = find_path(ids, salt);
  path.resize(num_restorable(path));
  const int64_t length = std::ssize(path) * block_length_;
  if (length > 0) {
    model::CacheRollback rollback;
    rollback.add(empty);
    empty.adopt(context, length);
    is_copying_ = true;
    for (int64_t i = 0; i < std::ssize(path); ++i) {
      unpack(context, full_layers_, empty, i * block_length_, (i + 1) * block_length_, path[i]->rows.data());
    }
    Block& last = *path.back();
    if (last.ring.size() > 0) {
      unpack(context, sliding_layers_, empty, model::first_seen(window_, length), length, last.ring.data());
      pieces_.splice(pieces_.end(), pieces_, last.ring_place);
    }
    rollback.release();
    touch(path);
  }
  ++(length > 0 ? counters_.hits : counters_.misses);
  counters_.asked_tokens += std::ssize(ids);
  counters_.hit_tokens += length;
  return length;
}

void PrefixCache::touch(const Path& path) {
  for (auto block = path.rbegin(); block != path.rend(); ++block) {
    pieces_.splice(pieces_.end(), pieces_, (*block)->place);
  }
  pinned_ = path.empty() ? pieces_.end() : path.back()->place;
  pinned_bytes_ = std::ssize(path) * block_bytes_;
}

void PrefixCache::add_pinned(std::list<Piece>& piece, int64_t num_bytes) noexcept {
  const Place place = piece.begin();
  pieces_.splice(pinned_, piece);
  pinned_ = place;
  pinned_bytes_ += num_bytes;
  num_bytes_ += num_bytes;
}

void PrefixCache::wait(const Context& context) {
  if (is_copying_) ops::wait_for_leftovers(context);
  is_copying_ = false;
}

bool PrefixCache::make_room(const Context& context, int64_t num_bytes) {
  if (num_bytes > max_bytes_ - pinned_bytes_) return false;
  if (num_bytes_ > max_bytes_ - num_bytes) wait(context);
  while (num_bytes_ > max_bytes_ - num_bytes) drop_oldest();
  return true;
}

void PrefixCache::drop_oldest() {
  const Piece piece = pieces_.front();
  pieces_.pop_front();
  if (piece.is_ring) {
    num_bytes_ -= piece.block->ring.size();
    piece.block->ring = Buffer<std::byte>();
    ++counters_.evicted_rings;
  } else {
    num_bytes_ -= block_bytes_;
    blocks_.erase(blocks_.find(piece.block->key));
    ++counters_.evicted_blocks;
  }
}

void PrefixCache::drop_ring(const Context& context, std::span<const int32_t> ids, uint64_t salt, int64_t cut) {
  const Path path = find_path(ids.first(cut), salt);
  if (path.empty() || std::ssize(path) * block_length_ != cut || path.back()->ring.size() == 0) return;
  wait(context);
  Block& block = *path.back();
  num_bytes_ -= block.ring.size();
  block.ring = Buffer<std::byte>();
  pieces_.erase(block.ring_place);
  ++counters_.evicted_rings;
}

void PrefixCache::clear(const Context& context) {
  wait(context);
  while (!pieces_.empty()) drop_oldest();
}

namespace {

void log_unkept() noexcept {
  log_message(LogLevel::kInfo, [] { return std::string("a prompt is not kept for later ones: out of memory"); });
}

}  // namespace

void PrefixCache::store(const Context& context, std::span<const int32_t> ids, uint64_t salt, model::KvCache& cache,
                        int64_t from, std::span<const int64_t> cuts) {
  check(std::ssize(ids) >= cache.length(), "store: expected the ids of ", cache.length(), " cached tokens, got ",
        ids.size());
  ids = ids.first(cache.length());
  Path path = find_path(ids, salt);
  touch(path);
  try {
    store_blocks(context, ids, salt, cache, from, path);
    store_rings(context, cache, from, cuts, path);
  } catch (const OutOfMemory&) {
    log_unkept();
  } catch (const std::bad_alloc&) {
    log_unkept();
  }
}

void PrefixCache::store_blocks(const Context& context, std::span<const int32_t> ids, uint64_t salt,
                               model::KvCache& cache, int64_t from, Path& path) {
  for (;;) {
    const int64_t begin = std::ssize(path) * block_length_, end = begin + block_length_;
    if (end <= from || end > std::ssize(ids)) return;
    const bool fits = ring_bytes(end) + std::ssize(path) * block_bytes_ <= max_bytes_ - block_bytes_;
    if (!fits || !make_room(context, block_bytes_)) return;

    const std::span<const int32_t> own = ids.subspan(begin, block_length_);
    auto block = std::make_unique<Block>();
    block->ids.assign(own.begin(), own.end());
    block->key = {path.empty() ? nullptr : path.back(), salt, block->ids};
    block->rows = ops::allocate<std::byte>(context, row_bytes_);
    is_copying_ = true;
    pack(context, full_layers_, cache, begin, end, block->rows.data());
    std::list<Piece> piece = {{block.get(), false}};
    block->place = piece.begin();
    path.push_back(block.get());
    blocks_.emplace(block->key, std::move(block));  // nothing after this can throw
    add_pinned(piece, block_bytes_);
    ++counters_.stored_blocks;
  }
}

// The ring of a late cut is stored first, so it counts as used later than that of an early cut.
void PrefixCache::store_rings(const Context& context, model::KvCache& cache, int64_t from,
                              std::span<const int64_t> cuts, const Path& path) {
  std::vector<int64_t> late_first(cuts.begin(), cuts.end());
  std::sort(late_first.begin(), late_first.end(), std::greater<>());
  for (const int64_t cut : late_first) {
    check(cut % block_length_ == 0, "store: expected cuts at multiples of ", block_length_, ", got ", cut);
    const int64_t num_bytes = ring_bytes(cut);
    if (cut <= from || cut / block_length_ > std::ssize(path) || num_bytes == 0) continue;
    Block& block = *path[cut / block_length_ - 1];
    if (block.ring.size() > 0 || !has_window(cache, cut) || !make_room(context, num_bytes)) continue;

    Buffer<std::byte> ring = ops::allocate<std::byte>(context, num_bytes);
    is_copying_ = true;
    pack(context, sliding_layers_, cache, model::first_seen(window_, cut), cut, ring.data());
    std::list<Piece> piece = {{&block, true}};
    block.ring_place = piece.begin();
    block.ring = std::move(ring);
    add_pinned(piece, num_bytes);
    ++counters_.stored_rings;
  }
}

std::vector<int64_t> ring_cuts(int64_t length, int64_t block_length) {
  const int64_t num_blocks = length / block_length;
  std::vector<int64_t> cuts;
  for (int64_t distance = 0; distance < num_blocks; distance = std::max<int64_t>(1, 2 * distance)) {
    cuts.push_back((num_blocks - distance) * block_length);
  }
  std::reverse(cuts.begin(), cuts.end());
  return cuts;
}

}  // namespace gesso::engine
