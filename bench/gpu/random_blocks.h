// Random values of any stored type. About a million of them are quantised once on the host. Memory is then filled with
// random blocks of these. Results with them behave like those with files of `gesso synth`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "core/buffer.h"
#include "core/context.h"
#include "core/dtype.h"
#include "model/weights.h"

namespace gesso::bench {

class RandomBlocks {
 public:
  explicit RandomBlocks(const Context& context) : context_(context) {}

  // Fills memory with whole blocks of Gaussian values with this standard deviation. Throws ArgumentError for a type
  // that gesso cannot write.
  void fill(DType dtype, float spread, std::byte* data, int64_t num_bytes);
  // Fills every matrix of a model. Values keep their size from layer to layer, and router scores are about 1. Vectors
  // are not changed.
  void fill_matrices(model::Weights& weights);

 private:
  struct Pool {
    Buffer<std::byte> data;  // on the device
    int64_t unit_bytes = 0;  // size of a unit: whole blocks that are picked together
    int64_t num_units = 0;
  };
  const Pool& pool(DType dtype, float spread);

  const Context& context_;
  std::map<std::pair<DType, float>, Pool> pools_;
  uint32_t next_seed_ = 1;
};

}  // namespace gesso::bench
