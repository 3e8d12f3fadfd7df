// Whether the threads of a block touch shared memory in an order that barriers make certain. It is checked for the
// accesses that are watched (watch_accesses in emulator.h), whatever order the threads have in this run:
//
// - What a thread has stored or copied may be touched by another thread only behind a barrier.
// - What a thread has loaded may be overwritten by a thread of another warp only behind a barrier.
// - The target of an asynchronous copy may not be touched before the copy was waited for, and the tiles of a
//   warpgroup's product may not be overwritten before the product was.
//
// Barriers for copies (bulk_copies.h) order those who have waited behind those who have arrived.
//
// Each warp has a clock that grows by one at each of its barriers, and knows up to which time of the other warps'
// clocks it stands behind them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "emulator/accesses.h"

namespace gesso::emulator {

constexpr int kMaxWarps = 32;

// A time of the clock of each warp.
using WarpTimes = std::array<uint32_t, kMaxWarps>;

class AccessOrder {
 public:
  AccessOrder();
  ~AccessOrder();

  void begin_block();
  // The warps, one bit for each, have come to a barrier.
  void meet(uint32_t warps);
  // Raises the times to all that the warp has done, or stands behind. What it does later is not in them.
  void tell(int warp, WarpTimes& times);
  // From here on the warp stands behind all up to these times.
  void follow(int warp, const WarpTimes& times);
  // Threads are numbers in the block, and offsets are bytes of its shared memory. `begin` returns an empty string, or
  // what is wrong.
  std::string begin(AccessKind kind, int thread, size_t offset, size_t bytes);
  void end(AccessKind kind, int thread, size_t offset, size_t bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;  // made when it is used for the first time
};

}  // namespace gesso::emulator
