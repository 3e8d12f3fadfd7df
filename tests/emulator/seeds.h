// Finds races: the results of a kernel must not depend on the order in which its threads have their turns.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "emulator.h"

namespace gesso::emulator {

// Calls `run`, which returns a vector of results, under the seeds 1 to `num_seeds`. Results are compared bit for bit.
// Returns an empty string, or which result differs under which seed. The seed is the same afterwards as before.
template <typename Run>
std::string compare_seeds(int num_seeds, Run run) {
  const uint64_t before = seed();
  std::string difference;
  set_seed(1);
  const auto expected = run();
  for (int i = 2; i <= num_seeds && difference.empty(); ++i) {
    set_seed(static_cast<uint64_t>(i));
    const auto got = run();
    if (got.size() != expected.size()) difference = "another number of results under seed " + std::to_string(i);
    for (size_t j = 0; j < expected.size() && difference.empty(); ++j) {
      if (std::memcmp(&got[j], &expected[j], sizeof(expected[j])) == 0) continue;
      difference = "result " + std::to_string(j) + " under seed " + std::to_string(i) + " is " +
                   std::to_string(got[j]) + ", under seed 1 it is " + std::to_string(expected[j]);
    }
  }
  set_seed(before);
  return difference;
}

}  // namespace gesso::emulator
