// The process, and copies of it that fork() makes.
#pragma once

namespace gesso::platform {

// The number of this process. A process that was forked from another one has a number of its own.
int process_id();

// Has `handler` called in each process that is forked from this one from now on, before fork() returns there. Nothing
// happens on systems without fork().
void call_in_forked(void (*handler)());

}  // namespace gesso::platform
