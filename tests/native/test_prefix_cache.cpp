// What the prefix cache gives back has the bits of what was encoded. test_prefix_cache_order.cpp is about what it
// holds.
#include "engine/prefix_cache.h"

#include <doctest/doctest.h>

#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/random.h"
#include "model/config.h"
#include "model/denoise.h"
#include "model/encode.h"
#include "model/place_weights.h"
#include "model/sliding_window.h"
#include "ops/device.h"
#include "ops/memory.h"
#include "tiny_checkpoint.h"

namespace gesso::engine {
namespace {

using model::KvCache;
using tests::TinyCheckpoint;
using tests::TinySizes;
using Ids = std::vector<int32_t>;

constexpr int64_t kPlenty = int64_t{1} << 30;

// A tiny model on the CPU, or on a device, with the memory for its passes.
class Tiny {
 public:
  explicit Tiny(const TinySizes& sizes, const std::optional<ops::Device>& device = {}) : checkpoint_(sizes) {
    if (device) {
      queue_ = ops::make_queue(device->index);
      context_.activations = ActivationType::kBF16;
    }
    context_.queue = queue_.get();
    config_ = model::read_config(checkpoint_.get().file());
    weights_ = model::load_weights(checkpoint_.get().file(), config_);
    model::place_weights(context_, config_, device.value_or(ops::Device()), weights_, {});
    memory_.emplace(context_, config_, weights_.key_value_layouts,
                    model::pass_limits(config_, 1, context_.queue != nullptr));
  }

  const Context& context() const { return context_; }
  const ModelConfig& config() const { return config_; }
  const std::vector<ops::KeyValueLayout>& layouts() const { return weights_.key_value_layouts; }
  int64_t canvas() const { return config_.canvas_length; }
  KvCache new_cache() const { return {config_, weights_.key_value_layouts}; }
  PrefixCache new_prefix_cache(int64_t max_bytes = kPlenty) const {
    return {config_, weights_.key_value_layouts, max_bytes};
  }
  int64_t most_bytes(int64_t length) const {
    return KvCache::max_bytes(config_, weights_.key_value_layouts, length, memory_->rows_per_kind());
  }

  // Encodes ids up to `end` in one pass.
  void encode(const Ids& ids, int64_t end, KvCache& cache) {
    const auto slice = std::span(ids).subspan(cache.length(), end - cache.length());
    model::encode(pass(), std::vector<model::EncodeRequest>{{&cache, slice}});
  }
  // Encodes ids up to each of `ends` in a pass of its own, and stores after each.
  void encode_and_store(const Ids& ids, const std::vector<int64_t>& ends, const std::vector<int64_t>& cuts,
                        PrefixCache& prefixes, uint64_t salt = 0) {
    KvCache cache = new_cache();
    for (const int64_t end : ends) {
      const int64_t from = cache.length();
      encode(ids, end, cache);
      prefixes.store(context_, ids, salt, cache, from, cuts);
    }
    prefixes.wait(context_);  // before the cache goes
  }
  // The bytes of all rows that a token behind the cache sees, layer by layer.
  std::vector<std::byte> rows(KvCache& cache) const {
    std::vector<std::byte> all;
    const auto append = [&](const std::byte* data, int64_t num_bytes) {
      all.resize(all.size() + num_bytes);
      ops::copy_to_host(context_, data, num_bytes, all.data() + all.size() - num_bytes);
      ops::synchronize(context_);
    };
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      const model::LayerCache& layer = cache.layer(i);
      const int64_t begin = model::first_seen(model::window_of(config_, i), cache.length());
      REQUIRE(layer.begin() <= begin);
      REQUIRE(layer.end() == cache.length());
      append(layer.keys(begin), (layer.end() - begin) * weights_.key_value_layouts[i].key_row_bytes);
      append(layer.values(begin), (layer.end() - begin) * weights_.key_value_layouts[i].value_row_bytes);
    }
    return all;
  }
  // Of a canvas behind the cache.
  std::vector<float> logits(KvCache& cache) {
    const Ids ids(canvas(), 3);
    std::vector<float> host(canvas() * config_.vocab_size);
    const Buffer<float> device = ops::allocate<float>(context_, std::ssize(host));
    const std::vector<model::DenoiseRequest> requests = {{&cache, ids}};
    model::denoise_logits(pass(), requests, {}, {device.data(), canvas(), config_.vocab_size});
    ops::copy_to_host(context_, device.data(), std::ssize(host) * 4, host.data());
    ops::synchronize(context_);
    return host;
  }

 private:
  model::PassContext pass() { return {context_, config_, weights_, *memory_}; }

  TinyCheckpoint checkpoint_;
  ops::QueuePointer queue_;
  Context context_;
  ModelConfig config_;
  model::Weights weights_;
  std::optional<model::PassScratch> memory_;
};

// Ids of the tiny vocabulary, which differ from text to text.
Ids text(int64_t length, uint64_t seed = 0) {
  Ids ids;
  for (int64_t i = 0; i < length; ++i) ids.push_back(uniform_id({seed, i, 0}, Draw::kInitialCanvas, TinySizes().vocab));
  return ids;
}

// The first `shared` ids of `base`, and then others.
Ids branch(const Ids& base, int64_t shared, int64_t length) {
  Ids ids(base.begin(), base.begin() + shared);
  const Ids own = text(length, 1);
  ids.insert(ids.end(), own.begin() + shared, own.end());
  if (shared < std::min(length, std::ssize(base))) ids[shared] = (base[shared] + 1) % TinySizes().vocab;
  return ids;
}

std::vector<int64_t> multiples(int64_t of, int64_t up_to) {
  std::vector<int64_t> all;
  for (int64_t i = of; i <= up_to; i += of) all.push_back(i);
  return all;
}

// Encodes `base` in passes and stores it. Texts that share 0 tokens, some, or all with it must then be as if they had
// been encoded alone.
void check_bits(Tiny& tiny) {
  const Ids base = text(40);
  PrefixCache prefixes = tiny.new_prefix_cache();
  tiny.encode_and_store(base, {3, 17, 19, 35, 40}, multiples(7, 40), prefixes);
  for (const auto& [shared, length] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 20}, {3, 20}, {6, 7}, {7, 7}, {7, 20}, {13, 50}, {14, 14}, {20, 21}, {35, 35}, {36, 45}, {40, 60}}) {
    CAPTURE(shared);
    CAPTURE(length);
    const Ids ids = branch(base, shared, length);
    KvCache alone = tiny.new_cache(), restored = tiny.new_cache();
    tiny.encode(ids, length, alone);
    const PrefixCache::Match match = prefixes.find(ids, 0);
    CHECK(match.known == shared / 7 * 7);
    CHECK(match.restorable == match.known);
    CHECK(prefixes.restore(tiny.context(), ids, 0, restored) == match.restorable);
    CHECK(restored.length() == match.restorable);
    tiny.encode(ids, length, restored);
    CHECK(tiny.rows(restored) == tiny.rows(alone));
    CHECK(tiny.logits(restored) == tiny.logits(alone));
    CHECK(restored.num_bytes() <= tiny.most_bytes(length));
  }
}

}  // namespace

TEST_CASE("what is restored has the bits of what was encoded, whatever the window and the kinds of layers") {
  // C is 7. With W = 1 a sliding layer needs nothing of what stands before.
  for (const int64_t window : {1, 2, 5, 8, 12, 100}) {
    for (const std::vector<int64_t>& is_sliding : {std::vector<int64_t>{1, 0, 1}, {0, 1}, {1, 1}}) {
      CAPTURE(window);
      CAPTURE(is_sliding.size());
      TinySizes sizes;
      sizes.window = window;
      sizes.is_sliding = is_sliding;
      Tiny tiny(sizes);
      check_bits(tiny);
    }
  }
}

TEST_CASE("what is restored has the bits of what was encoded on every device") {
  if (ops::devices().empty()) MESSAGE("SKIPPED: this build or machine has no device");
  for (const ops::Device& device : ops::devices()) {
    CAPTURE(device.name);
    Tiny tiny(TinySizes(), device);
    check_bits(tiny);
  }
}

TEST_CASE("a model without sliding layers is restored at every block end, without rings") {
  TinySizes sizes;
  sizes.is_sliding = {0, 0};
  Tiny tiny(sizes);
  PrefixCache prefixes = tiny.new_prefix_cache();
  tiny.encode_and_store(text(20), {20}, {}, prefixes);
  CHECK(prefixes.find(text(20), 0).restorable == 14);
  CHECK(prefixes.counters().stored_rings == 0);
  check_bits(tiny);
}

TEST_CASE("without its ring a cut cannot be restored") {
  Tiny tiny{TinySizes()};
  PrefixCache prefixes = tiny.new_prefix_cache();
  const Ids ids = text(40);
  tiny.encode_and_store(ids, {40}, {}, prefixes);
  CHECK(prefixes.find(ids, 0).known == 35);
  CHECK(prefixes.find(ids, 0).restorable == 0);
  KvCache cache = tiny.new_cache();
  CHECK(prefixes.restore(tiny.context(), ids, 0, cache) == 0);
  CHECK(cache.num_bytes() == 0);

  tiny.encode_and_store(ids, {20, 40}, {14, 28}, prefixes);
  CHECK(prefixes.find(ids, 0).restorable == 28);
  CHECK(prefixes.find(branch(ids, 27, 40), 0).known == 21);
  CHECK(prefixes.find(branch(ids, 27, 40), 0).restorable == 14);
  CHECK(prefixes.find(branch(ids, 13, 40), 0).restorable == 0);
}

TEST_CASE("a ring is stored only if the cache still has its window, and for a cut of the passes that just ran") {
  TinySizes sizes;
  sizes.context = 2000;
  Tiny tiny(sizes);
  const Ids ids = text(1000);
  PrefixCache prefixes = tiny.new_prefix_cache();
  KvCache cache = tiny.new_cache();
  for (int64_t end = 10; end <= 1000; end += 10) tiny.encode(ids, end, cache);  // sliding layers drop old rows
  REQUIRE(cache.layer(0).begin() > 100);
  prefixes.store(tiny.context(), ids, 0, cache, 0, std::vector<int64_t>{70, 994});
  CHECK(prefixes.find(ids, 0).restorable == 994);
  CHECK(prefixes.find(std::span(ids).first(993), 0).restorable == 0);
  prefixes.store(tiny.context(), ids, 0, cache, 987, std::vector<int64_t>{987});  // lies at `from`, not behind it
  CHECK(prefixes.counters().stored_rings == 1);
}

TEST_CASE("blocks are stored only behind those before them") {
  Tiny tiny{TinySizes()};
  const Ids ids = text(30);
  PrefixCache prefixes = tiny.new_prefix_cache();
  KvCache cache = tiny.new_cache();
  tiny.encode(ids, 30, cache);
  prefixes.store(tiny.context(), ids, 0, cache, 7, multiples(7, 28));  // the first block does not end behind 7
  CHECK(prefixes.num_bytes() == 0);
  prefixes.store(tiny.context(), ids, 0, cache, 6, multiples(7, 28));
  CHECK(prefixes.find(ids, 0).restorable == 28);
}

TEST_CASE("another salt, other ids, or equal ids behind others are not taken for a text that is held") {
  Tiny tiny{TinySizes()};
  PrefixCache prefixes = tiny.new_prefix_cache();
  const Ids ids = text(35);
  tiny.encode_and_store(ids, {35}, multiples(7, 35), prefixes, 5);
  CHECK(prefixes.find(ids, 5).restorable == 35);
  CHECK(prefixes.find(ids, 4).known == 0);
  for (int64_t i = 0; i < 35; ++i) {
    Ids other = ids;
    other[i] = (other[i] + 1) % TinySizes().vocab;
    CHECK(prefixes.find(other, 5).known == i / 7 * 7);
  }
  const std::span<const int32_t> second_block = std::span(ids).subspan(7);
  CHECK(prefixes.find(second_block, 5).known == 0);
  const Ids again = text(7, 3);  // twice the same block
  Ids twice = again;
  twice.insert(twice.end(), again.begin(), again.end());
  tiny.encode_and_store(again, {7}, {7}, prefixes);
  CHECK(prefixes.find(twice, 0).known == 7);
  tiny.encode_and_store(twice, {14}, {14}, prefixes);
  CHECK(prefixes.find(twice, 0).restorable == 14);
  KvCache alone = tiny.new_cache(), restored = tiny.new_cache();
  tiny.encode(twice, 14, alone);
  prefixes.restore(tiny.context(), twice, 0, restored);
  CHECK(tiny.rows(restored) == tiny.rows(alone));
}

TEST_CASE("counters tell hits, misses and what was copied") {
  Tiny tiny{TinySizes()};
  PrefixCache prefixes = tiny.new_prefix_cache();
  const Ids ids = text(20);
  KvCache first = tiny.new_cache(), second = tiny.new_cache();
  prefixes.restore(tiny.context(), ids, 0, first);
  tiny.encode_and_store(ids, {20}, {7, 14}, prefixes);
  prefixes.find(ids, 0);
  prefixes.restore(tiny.context(), ids, 0, second);
  const PrefixCache::Counters& counters = prefixes.counters();
  CHECK(counters.misses == 1);
  CHECK(counters.hits == 1);
  CHECK(counters.asked_tokens == 40);
  CHECK(counters.hit_tokens == 14);
  CHECK(counters.stored_blocks == 2);
  CHECK(counters.stored_rings == 2);
  prefixes.clear(tiny.context());
  CHECK(counters.evicted_blocks == 2);
  CHECK(counters.evicted_rings == 2);
  CHECK(prefixes.num_bytes() == 0);
  CHECK(prefixes.find(ids, 0).known == 0);
}

TEST_CASE("a cache that is not empty, missing ids and a cut inside a block are refused") {
  Tiny tiny{TinySizes()};
  PrefixCache prefixes = tiny.new_prefix_cache();
  const Ids ids = text(20);
  KvCache cache = tiny.new_cache();
  tiny.encode(ids, 20, cache);
  CHECK_THROWS_WITH_AS(prefixes.restore(tiny.context(), ids, 0, cache),
                       "restore: expected an empty cache, got one of 20 tokens", ArgumentError);
  CHECK_THROWS_WITH_AS(prefixes.store(tiny.context(), std::span(ids).first(19), 0, cache, 0, {}),
                       "store: expected the ids of 20 cached tokens, got 19", ArgumentError);
  CHECK_THROWS_WITH_AS(prefixes.store(tiny.context(), ids, 0, cache, 0, std::vector<int64_t>{8}),
                       "store: expected cuts at multiples of 7, got 8", ArgumentError);
}

TEST_CASE("a rewound cache is empty enough, and a restored one may be rewound") {
  Tiny tiny{TinySizes()};
  PrefixCache prefixes = tiny.new_prefix_cache();
  const Ids ids = text(40);
  tiny.encode_and_store(ids, {40}, {21}, prefixes);
  KvCache cache = tiny.new_cache(), alone = tiny.new_cache();
  tiny.encode(text(40, 9), 40, cache);
  cache.rewind(0);
  REQUIRE(prefixes.restore(tiny.context(), ids, 0, cache) == 21);
  tiny.encode(ids, 30, cache);
  cache.rewind(25);  // the window behind 25 is still there
  REQUIRE(cache.length() == 25);
  tiny.encode(ids, 25, alone);
  CHECK(tiny.rows(cache) == tiny.rows(alone));
  cache.rewind(20);  // no longer
  CHECK(cache.length() == 0);
}

TEST_CASE("memory that is not there fails neither the pass nor what is held") {
  Tiny tiny{TinySizes()};
  const Ids ids = text(20);
  KvCache cache = tiny.new_cache();
  tiny.encode(ids, 20, cache);
  // Rows of 2^50 bytes, which no machine has memory for, in the layers 0 and 2 (sliding) or in all.
  for (const bool all : {false, true}) {
    std::vector<ops::KeyValueLayout> layouts = tiny.layouts();
    for (size_t i = 0; i < layouts.size(); i += all ? 1 : 2) layouts[i].key_row_bytes = int64_t{1} << 50;
    PrefixCache prefixes(tiny.config(), layouts, std::numeric_limits<int64_t>::max());
    prefixes.store(tiny.context(), ids, 0, cache, 0, std::vector<int64_t>{7, 14});
    CHECK(prefixes.find(ids, 0).known == (all ? 0 : 14));
    CHECK(prefixes.find(ids, 0).restorable == 0);
    CHECK(prefixes.counters().stored_blocks == (all ? 0 : 2));
    CHECK(prefixes.counters().stored_rings == 0);
    CHECK((prefixes.num_bytes() > 0) == !all);
  }
}

TEST_CASE("a prompt's rings lie at its last block end, and 1, 2, 4 ... blocks before it") {
  using Cuts = std::vector<int64_t>;
  CHECK(ring_cuts(0, 256) == Cuts{});
  CHECK(ring_cuts(255, 256) == Cuts{});
  CHECK(ring_cuts(256, 256) == Cuts{256});
  CHECK(ring_cuts(1000, 256) == Cuts{256, 512, 768});
  CHECK(ring_cuts(2112, 256) == Cuts{1024, 1536, 1792, 2048});
  for (const int64_t num_blocks : {1, 2, 3, 8, 100}) {
    const Cuts cuts = ring_cuts(num_blocks, 1);
    for (int64_t behind = 1; behind <= num_blocks; ++behind) {
      int64_t restorable = 0;
      for (const int64_t cut : cuts) restorable = cut <= num_blocks - behind ? cut : restorable;
      CHECK(num_blocks - behind - restorable < behind);
    }
  }
}

}  // namespace gesso::engine
