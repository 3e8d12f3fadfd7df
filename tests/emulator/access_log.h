// What the threads of a block load and store while accesses are counted.
//
// The lanes of a warp have their turns one after another. So an access of a warp is put together from the accesses of
// its lanes: the n-th time that a lane comes to a place, since its warp met last, belongs to the n-th time of the other
// lanes. (Where some lanes skip one of several calls of one function, and do not say so, accesses of different calls
// are put together.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator.h"
#include "emulator/rendezvous.h"

namespace gesso::emulator {

class AccessLog {
 public:
  // `offset` is that of the first byte from a multiple of 128 bytes.
  void add_shared(int lane, uintptr_t offset, size_t bytes, bool is_store, const Place& place);
  // The lane comes to the place and accesses nothing.
  void add_skipped(int lane, size_t bytes, bool is_store, const Place& place);
  void add_global(size_t bytes) { global_bytes_ += static_cast<int64_t>(bytes); }
  // All lanes of a warp have had their turn.
  void finish_turns();
  // Adds all to the counts of the kernel with this name, and forgets it.
  void hand_over(const std::string& kernel);
  void clear();

 private:
  struct Site {
    Place place;
    bool is_store = false;
    int bytes = 0;
    std::vector<uintptr_t> offsets[32] = {};  // of each lane, since its warp met last
    int64_t num_accesses = 0, num_passes = 0, num_free_passes = 0;
    int num_ways = 0;
  };
  Site& site(size_t bytes, bool is_store, const Place& place);

  std::vector<Site> sites_;
  int64_t global_bytes_ = 0;
};

// A launch of a kernel, for its counts.
void count_launch(const std::string& kernel);

}  // namespace gesso::emulator
