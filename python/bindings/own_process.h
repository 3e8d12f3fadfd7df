// OwnProcess: lets an object refuse calls in a process that was forked from its own.
#pragma once

#include <unistd.h>

#include "gesso/error.h"

namespace gesso::bindings {

// The process in which an engine was made. In a forked one there is no engine's thread, and its locks may be held
// forever.
class OwnProcess {
 public:
  bool is_foreign() const { return process_ != getpid(); }
  void check() const {
    if (is_foreign()) throw Error("the engine is one of the process that this one was forked from; make another one");
  }

 private:
  pid_t process_ = getpid();
};

}  // namespace gesso::bindings
