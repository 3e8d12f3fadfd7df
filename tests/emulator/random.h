// The emulator's random choices: the orders in which threads and blocks have their turns.
#pragma once

#include <array>
#include <cstdint>

namespace gesso::emulator {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(mix(seed)) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33);
  }
  // A number below n. n must be at least 1.
  uint32_t below(uint32_t n) { return next() % n; }

  static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

 private:
  uint64_t state_;
};

// Orders of the 32 lanes of a warp. They are kept in a table, since every warp instruction needs one.
class LaneOrders {
 public:
  explicit LaneOrders(uint64_t seed);
  const uint8_t* pick(Random& random) const { return orders_[random.next() % kOrders].data(); }

 private:
  static constexpr int kOrders = 64;
  std::array<std::array<uint8_t, 32>, kOrders> orders_;
};

}  // namespace gesso::emulator
