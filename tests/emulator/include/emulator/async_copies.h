// The asynchronous copies of one thread; see ../cuda/device/async_copy.h.
#pragma once

#include <cstddef>

#include "rendezvous.h"

namespace gesso::emulator {

// Starts a copy. It reads `global` and poisons `shared` at once. It writes `shared` when a wait covers the copy. So a
// thread that reads too early, or that still reads what was there before, gets poison.
void start_copy(void* shared, const void* global, size_t bytes, bool valid, const Place& place);
// A copy that the thread leaves out, while other lanes of its warp may start theirs.
void skip_copy(size_t bytes, const Place& place);
void commit_copies();
void wait_copies(int num_in_flight);

}  // namespace gesso::emulator
