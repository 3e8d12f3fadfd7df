// A random schedule of requests for an engine. Each of them must write what it writes alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gesso/engine.h"

namespace gesso::tests {

// What schedules have come to, all together. A test can see that they come to everything.
struct ScheduleCounts {
  int64_t requests = 0, session_requests = 0, refused = 0, too_large = 0;
  int64_t whole = 0, cancelled = 0, late = 0, exceeded = 0, failed = 0;  // how requests ended
  int64_t cut_short = 0;                                                 // that were cancelled after a canvas
  int64_t prefix_hits = 0, passes = 0, mixed_rows = 0;

  void add(const ScheduleCounts& other);
};

// Runs schedule `number` on an engine without a thread of its own, and then each request alone. Everything follows from
// the number, but for when a deadline passes. Returns what is wrong, or nothing. `runs_alone` is called with false
// before the engine is made, and with true before the requests run alone, for example to give an emulated GPU another
// seed.
std::string run_schedule(const Model& model, uint64_t number, ScheduleCounts& counts,
                         const std::function<void(bool)>& runs_alone = {});

// Small models whose slices, blocks and windows have different sizes. The last one is tests/golden/mixed.gguf, which is
// at `golden_model` on another machine than that of the build.
std::vector<Model> schedule_models(const std::string& device, int num_threads, const std::string& golden_model = {});

}  // namespace gesso::tests
