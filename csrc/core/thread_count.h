// What callers mean by a number of threads.
#pragma once

namespace gesso {

// 1 to 4096 is taken as it is. 0: one per processor that this process may run on, yet no more than the quota of its
// control group (docker run --cpus, Kubernetes limits) keeps busy; a part of a processor counts as one, since two
// threads that are stopped for a while get more done of 1.5 than one. ArgumentError for other numbers.
int resolve_threads(int num_threads);

}  // namespace gesso
