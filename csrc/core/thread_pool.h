// The threads that help a caller, shared by all callers of the process.
#pragma once

#include <functional>

namespace gesso {

// Calls work() on the calling thread, and meanwhile on up to num_threads - 1 others as they become free; returns when
// all calls are back. work() shares out a job by itself and must not throw; one that comes late finds nothing to do.
// The others sleep between jobs and are never more than the largest num_threads - 1 asked for so far, however many
// callers there are, and whatever threads those have of their own.
void run_on_threads(int num_threads, const std::function<void()>& work);

}  // namespace gesso
