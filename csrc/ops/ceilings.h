// The highest rates that the processors reach, measured by loops that do nothing else. Ops are compared with them.
#pragma once

#include <string>
#include <vector>

#include "gesso/bench.h"

namespace gesso::cpu {

// gesso/bench.h says what these return. options.num_threads must be at least 1 here.
std::vector<Ceiling> measure_ceilings(const CeilingOptions& options);
std::vector<std::string> instruction_sets();
std::string int8_kernels_name();

}  // namespace gesso::cpu
