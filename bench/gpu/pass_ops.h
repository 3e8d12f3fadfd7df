// A denoising pass as a list of its ops. Each entry runs one op for all layers and knows the work that this takes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/profile.h"
#include "pass.h"

namespace gesso::bench {

struct PassOp {
  std::string name;   // the op's name, followed by the weight's for products
  std::string types;  // types of the op's weights: "Q4_K Q6_K"
  std::string plan;   // how the calls are computed: "mma int8 24 rows x 3 splits, ..."; empty: nothing to choose
  int64_t calls = 0;  // number of calls in one pass
  Work work;          // work of all calls; see ops/work.h
  std::function<void()> run;  // makes all calls
};

// The ops in the order of a pass, of which only those whose names begin with one of `beginnings`, unless that is empty.
// Each has run once, to count its work. The pass must live longer than the list.
std::vector<PassOp> pass_ops(Pass& pass, const std::vector<std::string>& beginnings = {});

}  // namespace gesso::bench
