// Where and how an op runs. It is the first argument of every op.
#pragma once

#include <chrono>
#include <functional>

#include "core/activation_type.h"
#include "gesso/error.h"

namespace gesso {

class Importance;
class Profile;

namespace cuda {
class Queue;
}

// How often Context::poll_if_due() asks, at most. So a call on the CPU goes on for about so long after the caller wants
// it to end.
inline constexpr std::chrono::milliseconds kPollInterval(10);

struct Context {
  int num_threads = 1;                // per op, the caller's own included; results do not depend on it
  std::function<bool()> interrupted;  // polled on the calling thread only; true ends the call by Interrupted
  Importance* importance = nullptr;   // if given, products with weights add what they multiply; CPU only
  cuda::Queue* queue = nullptr;       // where ops put their work; none: they run on the CPU, at once
  // How products with weights round what they multiply: kF32 or kInt8 on the CPU, kBF16 or kInt8 on a GPU.
  ActivationType activations = ActivationType::kF32;
  Profile* profile = nullptr;  // if given, every op adds its time and work to it, and no step is replayed

  // Between the parts of a pass.
  void poll() const {
    if (interrupted && interrupted()) throw Interrupted();
  }
  // Within a part that may take long. If it is called too often, that costs only a look at the clock. The time of the
  // last question counts for the whole thread, so that a series of short jobs is interrupted, too.
  void poll_if_due() const {
    if (!interrupted) return;
    using Clock = std::chrono::steady_clock;
    thread_local Clock::time_point last;
    const Clock::time_point now = Clock::now();
    if (now - last < kPollInterval) return;
    last = now;
    poll();
  }
};

}  // namespace gesso
