#include "core/platform/process.h"

#include <pthread.h>
#include <unistd.h>

namespace gesso::platform {

int process_id() { return ::getpid(); }

void call_in_forked(void (*handler)()) { ::pthread_atfork(nullptr, nullptr, handler); }

}  // namespace gesso::platform
