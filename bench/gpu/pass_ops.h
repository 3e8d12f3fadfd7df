// A denoising pass taken apart: each of its ops, over all layers, with the work it has to do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/profile.h"
#include "pass.h"

namespace gesso::bench {

struct PassOp {
  std::string name;           // the op, and for products the weight
  std::string types;          // of its weights: "Q4_K Q6_K"
  int64_t calls = 0;          // in one pass
  Work work;                  // of all calls; see ops/work.h
  std::function<void()> run;  // all calls
};

// In the order of a pass, each run once to count its work. The pass must outlive the list.
std::vector<PassOp> pass_ops(Pass& pass);

}  // namespace gesso::bench
