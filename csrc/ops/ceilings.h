// The highest rates that the processors, or a device, reach, measured by loops that do nothing else. Ops are compared
// with them. gesso/bench.h says what the functions return.
#pragma once

#include <string>
#include <vector>

#include "core/context.h"
#include "gesso/bench.h"

namespace gesso::cpu {
std::vector<Ceiling> measure_ceilings(const Context& context, const CeilingOptions& options);
std::vector<std::string> instruction_sets();
std::string int8_kernels_name();
}  // namespace gesso::cpu

namespace gesso::cuda {
std::vector<Ceiling> measure_ceilings(const Context& context, const CeilingOptions& options);
}

namespace gesso::ops {
// Of the options it takes the bytes and the milliseconds, and from the context the device and the number of threads.
std::vector<Ceiling> measure_ceilings(const Context& context, const CeilingOptions& options);
}  // namespace gesso::ops
