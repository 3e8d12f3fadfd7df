// How much each input column of a weight matters to the quantiser: the sum of the squares of the inputs that this
// column was multiplied with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "core/tensor.h"

namespace gesso {

// Collects the sums while passes run. Ops with weights add to the one that Context::importance points to. The class is
// not thread safe: an op adds from the thread that called the op.
class Importance {
 public:
  struct Entry {
    std::vector<int64_t> counts;  // [experts] rows seen; a plain matrix counts as one expert
    std::vector<double> sums;     // [experts, columns]
  };

  // Adds rows of x that were multiplied with one expert of the weight whose values lie at `weight`; a plain matrix is
  // expert 0 of 1. `rows` holds `count` row numbers of x; nullptr means the first `count` rows. Two weights that share
  // their data share an entry. The function throws an ArgumentError when their shapes differ.
  void add(const std::byte* weight, int64_t expert, int64_t num_experts, ConstMatrix x, const int32_t* rows,
           int64_t count);

  const std::map<const std::byte*, Entry>& entries() const { return entries_; }

 private:
  std::map<const std::byte*, Entry> entries_;
};

}  // namespace gesso
