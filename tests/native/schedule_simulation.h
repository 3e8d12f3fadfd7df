// Runs the scheduler without a model: requests arrive, and each of their canvases takes a given number of steps.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/schedule.h"

namespace gesso::tests {

// Random numbers that are the same everywhere: std::mt19937_64 is specified, the distributions are not.
class Draws {
 public:
  explicit Draws(uint64_t seed) : engine_(seed) {}
  int64_t from_to(int64_t least, int64_t most) { return least + static_cast<int64_t>(engine_() % (most - least + 1)); }
  int64_t of(std::initializer_list<int64_t> values) { return values.begin()[from_to(0, std::ssize(values) - 1)]; }

 private:
  std::mt19937_64 engine_;
};

struct SimulatedRequest {
  int64_t arrives_at = 0;           // before this pass
  int64_t after = -1;               // the index of a request; this one arrives when that one has ended
  int64_t prompt = 64;              // tokens
  std::vector<int64_t> steps = {};  // of each canvas
  int64_t key = 0;
  int priority = 0;
  int64_t cache_bytes = 0;
};

struct SimulatedEnd {
  int64_t arrived_at = -1, began_at = -1, first_canvas_at = -1, ended_at = -1;  // passes
  // The most passes between two steps of the request while it had a slot.
  int64_t longest_pause = 0;
  std::vector<std::pair<int64_t, int64_t>> rows_at;  // passes, and its rows in them
};

struct Simulated {
  std::string broken_rule;         // the first one that a plan broke
  std::vector<SimulatedEnd> ends;  // in the order of the requests
  int64_t passes = 0;
  int64_t most_rows = 0, most_bytes = 0;
  // The least rows of prompts in a pass in which some prompt was not encoded as a whole.
  int64_t least_prompt_rows = 1 << 30;
};

// The room of a device: 8 canvases of 256 rows, and 256 rows more.
inline constexpr engine::Room kDeviceRoom = {
    .slots = 8, .canvas_length = 256, .rows_per_kind = 2048, .max_rows = 2304, .free_bytes = int64_t{1} << 60};

// The requests must be in the order of their arrives_at. It ends early when a plan breaks a rule.
Simulated simulate(const std::vector<SimulatedRequest>& requests, const engine::Room& room);

}  // namespace gesso::tests
