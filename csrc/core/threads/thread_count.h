// The number of threads that is meant by the option num_threads.
#pragma once

namespace gesso {

// Numbers from 1 to 4096 are returned unchanged. 0 means one thread for each processor that this process may run on,
// but not more than the quota of its control group (docker run --cpus, Kubernetes limits), rounded up. A quota of 1.5
// processors gives two threads: the system pauses both for a part of the time, but they still get more done than one
// thread would. Other numbers throw an ArgumentError.
int resolve_threads(int num_threads);

}  // namespace gesso
