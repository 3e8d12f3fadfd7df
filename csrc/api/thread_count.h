// What callers mean by a number of threads.
#pragma once

namespace gesso {

// 0 means every processor this process may use. ArgumentError outside 0 to 4096.
int resolve_threads(int num_threads);

}  // namespace gesso
