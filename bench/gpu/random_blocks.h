// Random values in any stored type, made where they are needed: some million of them are quantised once, and memory is
// filled with random picks among those. What is computed with them behaves as with the files of `gesso synth`.
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

  // Gaussian values with this standard deviation, in whole blocks. ArgumentError for types that gesso cannot write.
  void fill(DType dtype, float spread, std::byte* data, int64_t num_bytes);
  // Every matrix of a model, so that activations keep their size from layer to layer and router scores are about 1.
  // Vectors stay as they are.
  void fill_matrices(model::Weights& weights);

 private:
  struct Pool {
    Buffer<std::byte> data;  // on the device
    int64_t unit_bytes = 0;  // whole blocks, picked together
    int64_t num_units = 0;
  };
  const Pool& pool(DType dtype, float spread);

  const Context& context_;
  std::map<std::pair<DType, float>, Pool> pools_;
  uint32_t next_seed_ = 1;
};

}  // namespace gesso::bench
