// Poll: lets a caller end a long loop. The loop calls the object once per round.
#pragma once

#include <cstdint>
#include <functional>

#include "gesso/error.h"

namespace gesso {

class Poll {
 public:
  // `interrupted` may be empty. It must outlive the object.
  explicit Poll(const std::function<bool()>& interrupted) : interrupted_(interrupted) {}

  // Asks `interrupted` in the first of every 4096 rounds, since asking may take as long as many rounds. Throws
  // Interrupted if it returns true.
  void operator()() {
    if ((rounds_++ & 4095) == 0 && interrupted_ && interrupted_()) throw Interrupted();
  }

 private:
  const std::function<bool()>& interrupted_;
  uint64_t rounds_ = 0;
};

}  // namespace gesso
