// Random values of a stored type. About a million of them are quantised, and memory is filled with random pieces of
// these: quantising every value would take minutes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace gesso {

class RandomBlocks {
 public:
  RandomBlocks() = default;
  // Gaussian values with this standard deviation.
  RandomBlocks(DType dtype, float spread, int num_threads);

  // The bytes of a piece, which is a whole number of blocks.
  int64_t piece_bytes() const { return piece_bytes_; }
  // Fills memory with random pieces. The last one may be cut off.
  void fill(std::byte* target, int64_t num_bytes, uint64_t seed) const;

 private:
  std::vector<std::byte> bytes_;
  int64_t piece_bytes_ = 0;
};

}  // namespace gesso
