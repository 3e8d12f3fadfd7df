#include "random.h"

#include <numeric>
#include <utility>

namespace gesso::emulator {

LaneOrders::LaneOrders(uint64_t seed) {
  Random random(seed);
  for (auto& order : orders_) {
    std::iota(order.begin(), order.end(), uint8_t{0});
    for (uint32_t i = 31; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  }
}

}  // namespace gesso::emulator
