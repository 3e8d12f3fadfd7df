// A denoising pass taken apart: each of its ops, over all layers, with the work it has to do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pass.h"

namespace gesso::bench {

struct PassOp {
  std::string name;             // the op, and for products the weight
  std::string types;            // of its weights: "Q4_K Q6_K"
  int64_t calls = 0;            // in one pass
  double stored_bytes = 0;      // weights, keys and values: they come from memory in every pass
  double activation_bytes = 0;  // float32 rows read and written, and own keys and values
  double bf16_operations = 0;   // multiplications and additions of matrix products
  double int8_operations = 0;   // the same of those with 8-bit activations
  std::function<void()> run;    // all calls
};

// In the order of a pass. The pass must outlive the list.
std::vector<PassOp> pass_ops(Pass& pass);

}  // namespace gesso::bench
