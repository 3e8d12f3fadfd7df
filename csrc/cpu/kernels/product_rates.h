// Loops that do nothing but multiply and add, one for each way in which this processor can multiply. They measure its
// highest rate.
#pragma once

#include <cstdint>
#include <vector>

namespace gesso::cpu {

struct ProductLoop {
  const char* operands;         // "float32", "bf16", "int8"
  const char* instruction_set;  // "AVX-512 VNNI"
  // Multiplies, and adds to several sums that do not depend on each other, so that the processor need not wait for a
  // result. All operands are in registers. Returns how many multiplications and additions were done.
  double (*run)(int64_t rounds);
};

// Returns the loops that this machine runs. For each type of operands, the slower ones come first.
std::vector<ProductLoop> product_loops();

}  // namespace gesso::cpu
