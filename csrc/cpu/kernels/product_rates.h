// Loops of nothing but products, one for each way in which this processor can multiply.
#pragma once

#include <cstdint>
#include <vector>

namespace gesso::cpu {

struct ProductLoop {
  const char* operands;         // "float32", "bf16", "int8"
  const char* instruction_set;  // "AVX-512 VNNI"
  // Multiplies and adds into sums that do not depend on each other, as many as hide an instruction's latency; all
  // operands are in registers. Returns the number of multiplications and additions.
  double (*run)(int64_t rounds);
};

// Those that this machine runs. The slower ones come first.
std::vector<ProductLoop> product_loops();

}  // namespace gesso::cpu
