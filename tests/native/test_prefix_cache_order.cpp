// Which blocks and rings a prefix cache holds: random calls, compared with a simple model of what must be held. The
// rows of the caches are made up, so that no pass is needed.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <span>
#include <tuple>
#include <vector>

#include "engine/prefix_cache.h"
#include "model/sliding_window.h"

namespace gesso::engine {
namespace {

using model::KvCache;
using Ids = std::vector<int32_t>;

constexpr int64_t kBlock = 4, kWindow = 7, kMaxPass = 9;
constexpr int64_t kKeyBytes = 8, kValueBytes = 16;
constexpr int64_t kBlockBytes = kBlock * (2 * (kKeyBytes + kValueBytes) + 4);  // of two full layers, and the ids

int64_t ring_bytes(int64_t cut) { return std::min(cut, kWindow - 1) * (kKeyBytes + kValueBytes); }

ModelConfig small_config() {
  ModelConfig config;
  config.canvas_length = kBlock;
  config.sliding_window = kWindow;
  config.num_hidden_layers = 3;
  config.layers = {{.is_sliding = false}, {.is_sliding = true}, {.is_sliding = false}};
  return config;
}

std::vector<ops::KeyValueLayout> small_layouts() {
  ops::KeyValueLayout layout;
  layout.key_row_bytes = kKeyBytes;
  layout.value_row_bytes = kValueBytes;
  return {3, layout};
}

// Stands for the rows that encoding would give: they depend on the layer and on all ids up to the position.
std::byte row_byte(std::span<const int32_t> ids, int64_t position, int64_t layer, int64_t index) {
  uint64_t hash = layer * 31 + index;
  for (const int32_t id : ids.first(position + 1)) hash = (hash ^ id) * 0x9e3779b97f4a7c15u;
  return static_cast<std::byte>(hash >> 56);
}

// Calls visit(byte of the cache, what it must be) for all positions from `begin` on that the cache has.
template <typename Visit>
void visit_rows(std::span<const int32_t> ids, KvCache& cache, int64_t begin, const Visit& visit) {
  for (int64_t layer = 0; layer < 3; ++layer) {
    const model::LayerCache& rows = cache.layer(layer);
    for (int64_t position = std::max(begin, rows.begin()); position < rows.end(); ++position) {
      for (int64_t i = 0; i < kKeyBytes; ++i) visit(rows.keys(position)[i], row_byte(ids, position, layer, i));
      for (int64_t i = 0; i < kValueBytes; ++i) {
        visit(rows.values(position)[i], row_byte(ids, position, layer, kKeyBytes + i));
      }
    }
  }
}

void encode(std::span<const int32_t> ids, int64_t end, KvCache& cache) {
  const int64_t from = cache.length();
  cache.append({}, end - from);
  visit_rows(ids, cache, from, [](std::byte& byte, std::byte value) { byte = value; });
}

// What must be held. A piece is known by the whole text up to its end.
class Expected {
 public:
  explicit Expected(int64_t max_bytes) : max_bytes_(max_bytes) {}

  bool holds(std::span<const int32_t> ids, uint64_t salt, bool is_ring) const { return find(ids, salt, is_ring) >= 0; }
  int64_t num_bytes() const {
    int64_t sum = 0;
    for (const Piece& piece : pieces_) sum += piece.num_bytes();
    return sum;
  }
  PrefixCache::Match match(std::span<const int32_t> ids, uint64_t salt) const {
    PrefixCache::Match match;
    for (int64_t end = kBlock; end <= std::ssize(ids) && holds(ids.first(end), salt, false); end += kBlock) {
      match.known = end;
      if (holds(ids.first(end), salt, true)) match.restorable = end;
    }
    return match;
  }
  void restore(std::span<const int32_t> ids, uint64_t salt) {
    const int64_t length = match(ids, salt).restorable;
    if (length == 0) return;
    ++now_;
    use_blocks(ids.first(length), salt);
    pieces_[find(ids.first(length), salt, true)].used = now_;
  }
  void store(std::span<const int32_t> ids, uint64_t salt, int64_t from, std::vector<int64_t> cuts) {
    ++now_;
    int64_t known = match(ids, salt).known;
    use_blocks(ids.first(known), salt);
    for (int64_t end = known + kBlock; end > from && end <= std::ssize(ids); end += kBlock) {
      if (end / kBlock * kBlockBytes + ring_bytes(end) > max_bytes_) break;
      if (!add({Ids(ids.begin(), ids.begin() + end), salt, false, now_})) break;
      known = end;
    }
    std::sort(cuts.rbegin(), cuts.rend());
    for (const int64_t cut : cuts) {
      if (cut <= from || cut > known || holds(ids.first(cut), salt, true)) continue;
      add({Ids(ids.begin(), ids.begin() + cut), salt, true, now_});
    }
  }
  void clear() { pieces_.clear(); }

 private:
  struct Piece {
    Ids text;
    uint64_t salt;
    bool is_ring;
    int64_t used;

    int64_t num_bytes() const { return is_ring ? ring_bytes(std::ssize(text)) : kBlockBytes; }
    // The order in which pieces go: by their last use; rings first; early rings before late ones, blocks the other way.
    std::tuple<int64_t, bool, int64_t> order() const {
      return {used, !is_ring, is_ring ? std::ssize(text) : -std::ssize(text)};
    }
  };

  int64_t find(std::span<const int32_t> ids, uint64_t salt, bool is_ring) const {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Piece& piece = pieces_[i];
      if (piece.is_ring == is_ring && piece.salt == salt && std::ranges::equal(piece.text, ids)) return i;
    }
    return -1;
  }
  void use_blocks(std::span<const int32_t> ids, uint64_t salt) {
    for (int64_t end = kBlock; end <= std::ssize(ids); end += kBlock) {
      pieces_[find(ids.first(end), salt, false)].used = now_;
    }
  }
  // Makes room by what was not used by this call.
  bool add(const Piece& added) {
    int64_t in_use = added.num_bytes();
    for (const Piece& piece : pieces_) in_use += piece.used == now_ ? piece.num_bytes() : 0;
    if (in_use > max_bytes_) return false;
    while (num_bytes() + added.num_bytes() > max_bytes_) {
      pieces_.erase(std::min_element(pieces_.begin(), pieces_.end(),
                                     [](const Piece& a, const Piece& b) { return a.order() < b.order(); }));
    }
    pieces_.push_back(added);
    return true;
  }

  int64_t max_bytes_, now_ = 0;
  std::vector<Piece> pieces_;
};

using Random = std::mt19937_64;

int64_t draw(Random& random, int64_t below) { return static_cast<int64_t>(random() % below); }

// Few ids and few places where texts differ, so that many texts share a beginning.
Ids random_text(Random& random) {
  Ids ids(draw(random, 33), 1);
  for (int32_t& id : ids) id = draw(random, 12) == 0 ? 2 : 1;
  return ids;
}

// Restores a text, encodes the rest of it in passes, and stores after each pass.
void serve(Random& random, const Ids& ids, uint64_t salt, PrefixCache& prefixes, Expected& expected) {
  KvCache cache(small_config(), small_layouts());
  const PrefixCache::Match match = prefixes.find(ids, salt);
  const PrefixCache::Counters before = prefixes.counters();
  CHECK(prefixes.restore({}, ids, salt, cache) == match.restorable);
  CHECK(prefixes.counters().hits - before.hits == (match.restorable > 0));
  CHECK(cache.length() == match.restorable);
  expected.restore(ids, salt);
  int64_t num_wrong = 0;
  visit_rows(ids, cache, 0, [&](std::byte& byte, std::byte value) { num_wrong += byte != value; });
  CHECK(num_wrong == 0);

  std::vector<int64_t> cuts = ring_cuts(std::ssize(ids), kBlock);
  if (draw(random, 4) == 0) cuts.clear();
  while (cache.length() < std::ssize(ids)) {
    const int64_t from = cache.length(), end = std::min(std::ssize(ids), from + 1 + draw(random, kMaxPass));
    encode(ids, end, cache);
    if (draw(random, 8) == 0) continue;  // nobody stores, so that the next blocks miss those before them
    prefixes.store({}, ids, salt, cache, from, cuts);
    expected.store(std::span(ids).first(end), salt, from, cuts);
  }
}

void check_equal(Random& random, const PrefixCache& prefixes, const Expected& expected) {
  CHECK(prefixes.num_bytes() == expected.num_bytes());
  CHECK(prefixes.num_bytes() <= prefixes.max_bytes());
  for (int i = 0; i < 4; ++i) {
    const Ids ids = random_text(random);
    const uint64_t salt = draw(random, 2);
    const PrefixCache::Match got = prefixes.find(ids, salt), wanted = expected.match(ids, salt);
    CHECK(got.known == wanted.known);
    CHECK(got.restorable == wanted.restorable);
  }
}

}  // namespace

TEST_CASE("random calls leave in a prefix cache what was used last, within its bytes") {
  int64_t num_hits = 0, num_evicted_rings = 0, num_evicted_blocks = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const int64_t max_bytes = draw(random, 40 * kBlockBytes);
    PrefixCache prefixes(small_config(), small_layouts(), max_bytes);
    Expected expected(max_bytes);
    for (int i = 0; i < 60; ++i) {
      serve(random, random_text(random), draw(random, 2), prefixes, expected);
      check_equal(random, prefixes, expected);
    }
    const PrefixCache::Counters& counters = prefixes.counters();
    num_hits += counters.hits;
    num_evicted_rings += counters.evicted_rings;
    num_evicted_blocks += counters.evicted_blocks;
    prefixes.clear({});
    CHECK(prefixes.num_bytes() == 0);
    CHECK(counters.stored_blocks == counters.evicted_blocks);
    CHECK(counters.stored_rings == counters.evicted_rings);
  }
  // The random calls did reach what they are to test.
  CHECK(num_hits > 500);
  CHECK(num_evicted_rings > 500);
  CHECK(num_evicted_blocks > 500);
}

TEST_CASE("what is used least goes first, its ring before its blocks, and the last block before the first") {
  const Ids old(2 * kBlock, 1), kept(2 * kBlock, 2), added(kBlock, 3);
  const std::vector<int64_t> cuts = {2 * kBlock};
  const int64_t text_bytes = 2 * kBlockBytes + ring_bytes(2 * kBlock);
  PrefixCache prefixes(small_config(), small_layouts(), 2 * text_bytes);
  const auto store = [&](const Ids& ids) {
    KvCache cache(small_config(), small_layouts());
    encode(ids, std::ssize(ids), cache);
    prefixes.store({}, ids, 0, cache, 0, cuts);
  };
  store(kept);
  store(old);
  KvCache cache(small_config(), small_layouts());
  REQUIRE(prefixes.restore({}, kept, 0, cache) == 2 * kBlock);
  CHECK(prefixes.find(old, 0).restorable == 2 * kBlock);  // asking does not make it younger

  store(added);  // takes the place of the old text's ring, and of its last block
  CHECK(prefixes.find(kept, 0).restorable == 2 * kBlock);
  CHECK(prefixes.find(old, 0).restorable == 0);
  CHECK(prefixes.find(old, 0).known == kBlock);
  CHECK(prefixes.find(added, 0).known == kBlock);
}

TEST_CASE("a text that is too long for the memory is kept as far as there is room for a ring") {
  const Ids ids(10 * kBlock, 1);
  for (const int64_t num_blocks : {0, 1, 3, 9}) {
    PrefixCache prefixes(small_config(), small_layouts(), num_blocks * kBlockBytes + ring_bytes(num_blocks * kBlock));
    KvCache cache(small_config(), small_layouts());
    encode(ids, std::ssize(ids), cache);
    std::vector<int64_t> cuts;
    for (int64_t cut = kBlock; cut <= std::ssize(ids); cut += kBlock) cuts.push_back(cut);
    prefixes.store({}, ids, 0, cache, 0, cuts);
    CHECK(prefixes.find(ids, 0).restorable == num_blocks * kBlock);
    CHECK(prefixes.num_bytes() == prefixes.max_bytes());
  }
}

}  // namespace gesso::engine
