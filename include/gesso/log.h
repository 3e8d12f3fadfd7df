// Messages about what the library does, for a program's own log. It prints nothing itself, and there are no messages
// until a program asks for them. A call that fails throws; the log need not say so, too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gesso/export.h"

namespace gesso {

enum class LogLevel : int32_t {
  kDebug = 1,    // each pass of a generation: its canvases, rows and time; each request of an engine, and how it ended
  kInfo = 2,     // what happens once: a file is opened, a model is loaded, an engine is made, a session is saved
  kWarning = 3,  // what a user probably does not want, and should be shown: the machine's GPU is not used
};

// One message: a sentence or two in UTF-8 without a line break, for people. The words may change with any version.
using LogCallback = std::function<void(LogLevel level, const std::string& message)>;

// From now on the callback gets the messages of level `least` and above, of the whole process. It takes the place of
// the one before; an empty one ends the messages. ArgumentError for a level that is none.
// Threads: any thread may call this at any time. The callback comes on the threads that call gesso and on the engines'
// own, also on several at a time. This function waits until no thread is inside the old callback any more, so the
// caller must not hold a lock that the old one takes. In a callback it does not wait.
// A callback should be quick. What it throws is dropped, and what it calls of gesso is not logged.
GESSO_API void set_log_callback(LogCallback callback, LogLevel least = LogLevel::kInfo);

}  // namespace gesso
