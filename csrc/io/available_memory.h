// How much memory this machine can still give to a process.
#pragma once

#include <cstddef>

namespace gesso::io {

// The memory that is free, together with what cached files take and could give up. Systems other than Linux do not tell
// it; there the function returns the largest number.
size_t available_bytes();

}  // namespace gesso::io
