// How much each input column of a weight matters: sums of squared activations, as a quantiser wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "core/tensor.h"

namespace gesso {

// Collects while passes run; see Context. Not thread safe: ops add from the calling thread.
class Importance {
 public:
  struct Entry {
    std::vector<int64_t> counts;  // [experts] rows seen, one for a plain matrix
    std::vector<double> sums;     // [experts, columns]
  };

  // Rows of x that were multiplied with one expert (0 of 1 for a plain matrix) of the weight whose values lie at
  // `weight`. rows: which rows of x, count of them; nullptr means the first ones. Weights that share their data count
  // together; ArgumentError when their shapes differ.
  void add(const std::byte* weight, int64_t expert, int64_t num_experts, ConstMatrix x, const int32_t* rows,
           int64_t count);

  const std::map<const std::byte*, Entry>& entries() const { return entries_; }

 private:
  std::map<const std::byte*, Entry> entries_;
};

}  // namespace gesso
