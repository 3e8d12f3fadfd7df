// A pool of helper threads. All callers of the process share it.
#pragma once

#include <functional>

namespace gesso {

// Calls work() on the calling thread and, at the same time, on up to num_threads - 1 helpers as they become free. The
// function returns when all of these calls have returned. work() must divide the job among its calls by itself, for
// example with a shared counter; a helper that comes late then finds nothing left to do. work() must not throw. Helpers
// sleep between jobs. The pool never has more helpers than the largest num_threads - 1 that was asked for so far. The
// number of callers and of their own threads does not matter.
void run_on_threads(int num_threads, const std::function<void()>& work);

}  // namespace gesso
