// Encoded tokens that sequences share: what was encoded once for the beginning of a text serves every text that begins
// with the same ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "core/context.h"
#include "gesso/config.h"
#include "model/kv_cache.h"
#include "ops/key_value_layout.h"

namespace gesso::engine {

// Holds copies of keys and values, in two kinds of pieces:
// - A block holds the rows of all full layers for C neighbouring positions, where C is canvas_length. Blocks begin at
//   the positions 0, C, 2 C and so on. The block at 2 C belongs to one text: it is found only behind the same two
//   blocks before it.
// - A ring belongs to the end of a block, the cut. It holds the rows of all sliding layers that a token at the cut
//   sees: the last W - 1 positions before it. For the 26B model a ring takes 0.21 GB and a block 5 MB.
// A text can be restored at a cut if all blocks before it and its ring are held. There is no other way: the window's
// tokens cannot be encoded again alone, because their rows depend on what they saw. With W = 1024 and 25 sliding layers
// this reaches up to 25 * 1023 tokens back. A model without sliding layers needs no rings.
//
// What is restored has the bits of what was encoded. Ids are compared as a whole, so no other text can be taken for it.
//
// The pieces are held until others need the memory. Those that were used least recently go first. A ring goes before
// its block, and a block before the block in front of it.
//
// One model, one device and one type of activations have a PrefixCache of their own. It is used by one thread at a
// time, and all contexts must have the same queue. Rows are copied by this queue, after the calls that ask for it.
// Before a piece is dropped, the call waits for the copies; see wait(), too.
class PrefixCache {
 public:
  // What is held takes at most `max_bytes` in the memory of the contexts' device. This counts the ids, too, which are
  // in the host's memory. `layouts` has one entry per layer.
  PrefixCache(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts, int64_t max_bytes);

  // Both are multiples of C, and restorable <= known.
  struct Match {
    int64_t restorable = 0;  // tokens that restore() would restore
    int64_t known = 0;       // tokens whose blocks are held: a ring at this cut would make them restorable
  };
  // What is held of the text that begins with `ids`. `salt` stands for whatever else the rows depend on; 0 if there is
  // nothing else. Asking changes nothing, neither an age nor a counter.
  Match find(std::span<const int32_t> ids, uint64_t salt) const;

  // Fills an empty cache with the longest beginning of `ids` that can be restored, and returns its tokens. It may be
  // all of `ids`. The copies are put into the context's queue. After an exception (OutOfMemory, CudaError) the cache is
  // empty.
  int64_t restore(const Context& context, std::span<const int32_t> ids, uint64_t salt, model::KvCache& empty);

  // Must be called when the pass or passes have succeeded that encoded ids[from .. cache.length() - 1]. Copies the
  // blocks that end behind `from`, if those before them are held, and rings at those of `cuts` that lie behind `from`
  // and whose window the cache still has. After a single pass it has all of them. A later cut comes before an earlier
  // one if there is no room for both. What does not fit beside the text's other blocks and one ring is not copied, and
  // neither is anything when the device has no memory left.
  void store(const Context& context, std::span<const int32_t> ids, uint64_t salt, model::KvCache& cache, int64_t from,
             std::span<const int64_t> cuts);

  // Drops the ring at `cut`, if there is one. The blocks stay.
  void drop_ring(const Context& context, std::span<const int32_t> ids, uint64_t salt, int64_t cut);
  // Drops everything.
  void clear(const Context& context);
  // Waits for the copies that are still under way, if there are any. It must be called before a cache is destroyed from
  // which store() copies.
  void wait(const Context& context);

  int64_t num_bytes() const { return num_bytes_; }
  int64_t max_bytes() const { return max_bytes_; }

  // Since the PrefixCache was made. stored - evicted is what is held; clear() counts as evicting.
  struct Counters {
    int64_t hits = 0, misses = 0;                 // calls of restore() that restored something, or nothing
    int64_t asked_tokens = 0, hit_tokens = 0;     // of those calls: all ids, and the restored ones
    int64_t stored_blocks = 0, stored_rings = 0;  // copied into the PrefixCache
    int64_t evicted_blocks = 0, evicted_rings = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  // A layer, and the bytes of one position of it.
  struct Layer {
    int64_t index, key_row_bytes, value_row_bytes;
  };
  struct Block;
  // A block is found by its ids, the block in front of it, and the salt.
  struct Key {
    const Block* parent = nullptr;  // none for the block at position 0
    uint64_t salt = 0;
    std::span<const int32_t> ids;  // of the block itself, [C]

    bool operator<(const Key& other) const;
  };
  // A block or its ring, which are dropped one by one.
  struct Piece {
    Block* block;
    bool is_ring;
  };
  using Place = std::list<Piece>::iterator;
  struct Block {
    std::vector<int32_t> ids;           // [C]
    Key key;                            // refers to `ids`
    Buffer<std::byte> rows;             // for each full layer the keys of all positions, then the values
    Buffer<std::byte> ring;             // the same for each sliding layer; empty if there is no ring
    Place place = {}, ring_place = {};  // the latter only with a ring
  };
  using Path = std::vector<Block*>;  // the blocks of a text, from the first on

  Path find_path(std::span<const int32_t> ids, uint64_t salt) const;
  int64_t num_restorable(const Path& path) const;  // how many of the blocks
  // Makes the blocks the pieces that were used last, and pins them: the call under way does not drop them.
  void touch(const Path& path);
  void store_blocks(const Context& context, std::span<const int32_t> ids, uint64_t salt, model::KvCache& cache,
                    int64_t from, Path& path);
  void store_rings(const Context& context, model::KvCache& cache, int64_t from, std::span<const int64_t> cuts,
                   const Path& path);
  bool has_window(model::KvCache& cache, int64_t cut) const;
  int64_t ring_bytes(int64_t cut) const;
  // Drops what was used least recently until `num_bytes` more fit. If they do not fit beside what is pinned, it drops
  // nothing and returns false.
  bool make_room(const Context& context, int64_t num_bytes);
  // Takes the only element of `piece` and pins it, as the one of the pinned pieces that was used first.
  void add_pinned(std::list<Piece>& piece, int64_t num_bytes) noexcept;
  void drop_oldest();  // wait() must have been called

  int64_t block_length_, window_;  // C, W
  int64_t max_bytes_;
  std::vector<Layer> full_layers_, sliding_layers_;
  int64_t row_bytes_ = 0, block_bytes_ = 0;  // of a block: its rows, and all of it
  int64_t ring_row_bytes_ = 0;               // of one position in all sliding layers
  std::map<Key, std::unique_ptr<Block>> blocks_;
  // The least recently used first. A ring is before its block, and a block before the block in front of it.
  std::list<Piece> pieces_;
  Place pinned_;  // during a call: the first of the pieces that it uses, which are the last ones
  int64_t pinned_bytes_ = 0;
  int64_t num_bytes_ = 0;
  bool is_copying_ = false;  // whether copies may be under way
  Counters counters_;
};

// At which cuts a prompt of `length` tokens deserves a ring: at its last block end, and 1, 2, 4, 8, ... blocks before
// that, in rising order. Example: for 2112 tokens in blocks of 256 these are 1024, 1536, 1792 and 2048. A later
// prompt that leaves this one p blocks before that block end, p >= 1, has fewer than p common blocks to encode again.
std::vector<int64_t> ring_cuts(int64_t length, int64_t block_length);

}  // namespace gesso::engine
