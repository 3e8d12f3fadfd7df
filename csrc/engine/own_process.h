// OwnProcess: an object that other threads may be inside of, and a process that was forked meanwhile.
#pragma once

#include "core/platform/process.h"
#include "gesso/error.h"

namespace gesso::engine {

// The process in which an engine was made. In a forked one there is no engine's thread, and its locks may be held
// forever.
class OwnProcess {
 public:
  bool is_foreign() const { return process_ != platform::process_id(); }
  void check() const {
    if (is_foreign()) throw Error("the engine is one of the process that this one was forked from; make another one");
  }

  // Deletes what std::shared_ptr owns. In a forked process nothing happens: another thread may have been inside.
  template <typename T>
  void operator()(T* object) const {
    if (!is_foreign()) delete object;
  }

 private:
  int process_ = platform::process_id();
};

}  // namespace gesso::engine
