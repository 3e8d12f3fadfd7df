#include "core/platform/processors.h"

#include <limits>
#include <thread>

namespace gesso::platform {

int num_processors() { return static_cast<int>(std::thread::hardware_concurrency()); }
double cpu_quota(const std::string&) { return std::numeric_limits<double>::infinity(); }
ProcessorKind processor_kind(const std::string&) { return {}; }
bool has_dot_products() { return true; }      // every Mac with an Arm processor has them
bool has_matrix_products() { return false; }  // not all of them, and nothing portable tells which

}  // namespace gesso::platform
