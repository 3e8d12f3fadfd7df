// One generation in the loop.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <vector>

#include "diffusion/generation.h"

namespace gesso::engine {

using Clock = std::chrono::steady_clock;
inline Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}
// The end of a wait that begins now. A wait of three years has no need of another type. A NaN is no wait.
inline Clock::time_point end_of_wait(std::optional<double> seconds) {
  const double given = seconds.value_or(1e8);
  return Clock::now() + to_duration(given > 0 ? std::min(given, 1e8) : 0.0);
}
inline double to_seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

struct Job {
  explicit Job(diffusion::Generation generation) : generation(std::move(generation)) {}

  diffusion::Generation generation;
  // What the scheduler needs, see Entry.
  int priority = 0;
  int64_t key = 0;
  int64_t cache_bytes = 0;
  std::optional<Clock::time_point> deadline;
  uint64_t salt = 0;                             // what its keys and values depend on besides ids; see PrefixCache
  const std::atomic<bool>* cancelled = nullptr;  // any thread may set it; null: nobody cancels the job

  // The loop sets the rest. A job that has ended has an error or a result.
  bool has_ended = false;
  std::exception_ptr error;
  Clock::time_point begun_at, first_canvas_at;  // when it got a slot, and when its first canvas was committed
  int64_t order = 0;
  bool is_admitted = false, has_slot = false, must_wait = false;  // see Entry
  std::vector<int64_t> cuts;  // block ends of the prompt where the prefix cache keeps a ring
  int64_t last_cut = 0;  // the block end behind which the last ring of a committed canvas is kept; 0: there is none

  bool is_cancelled() const { return cancelled && *cancelled; }
  bool is_late(Clock::time_point now) const { return deadline && *deadline <= now; }
};

}  // namespace gesso::engine
