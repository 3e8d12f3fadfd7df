// Where and how an op runs: passed as the first argument of every op.
#pragma once

#include <functional>

#include "gesso/error.h"

namespace gesso {

class Importance;

struct Context {
  int num_threads = 1;                // OpenMP threads per op; results do not depend on it
  std::function<bool()> interrupted;  // polled between layers on the calling thread; true ends the call by Interrupted
  Importance* importance = nullptr;   // if given, linear and expert_linear add what they multiply

  void poll() const {
    if (interrupted && interrupted()) throw Interrupted();
  }
};

}  // namespace gesso
