#include "schedule_simulation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/key_shares.h"
#include "schedule_rules.h"

namespace gesso::tests {
namespace {

using engine::Entry;
using engine::Part;
using engine::Plan;
using engine::Room;

// A request that has arrived and has not ended.
struct Live {
  size_t index = 0;
  Entry entry;
  size_t canvas = 0;
  bool has_slot = false;
  int64_t steps = 0, idle = 0;  // steps of the canvas; passes with a slot and without a step since the last one
};

class Simulation {
 public:
  Simulation(const std::vector<SimulatedRequest>& requests, const Room& room) : requests_(requests), room_(room) {
    out_.ends.resize(requests.size());
  }

  Simulated run() {
    while (num_ended_ < requests_.size() && out_.broken_rule.empty()) {
      arrive();
      pass();
      ++now_;
    }
    return out_;
  }

 private:
  void arrive() {
    for (; next_ < requests_.size() && requests_[next_].arrives_at <= now_; ++next_) {
      const int64_t after = requests_[next_].after;
      if (after < 0) {
        add(next_);
      } else {
        followers_.emplace(after, next_);
      }
    }
    for (const size_t index : std::exchange(following_, {})) add(index);
  }

  void add(size_t index) {
    const SimulatedRequest& r = requests_[index];
    shares_.enter(r.key);
    live_.push_back({.index = index,
                     .entry = {.order = num_arrived_++,
                               .priority = r.priority,
                               .key = r.key,
                               .pending = r.prompt,
                               .cache_bytes = r.cache_bytes}});
    out_.ends[index].arrived_at = now_;
  }

  void pass() {
    std::vector<Entry> entries;
    int64_t taken = 0;
    for (Live& live : live_) {
      live.entry.served = shares_.served(live.entry.key);
      entries.push_back(live.entry);
      if (live.entry.is_admitted) taken += live.entry.cache_bytes;
    }
    Room room = room_;
    room.free_bytes -= taken;
    const Plan plan = engine::plan_pass(entries, room);
    if (live_.size() < 64 || now_ % 16 == 0) out_.broken_rule = broken_rule(entries, room, plan);
    if (plan.parts.empty() && !live_.empty()) out_.broken_rule = "something runs";
    for (Live& live : live_) live.has_slot = false;
    for (const size_t i : plan.slots) {
      Live& live = live_[i];
      live.has_slot = true;
      if (!live.entry.is_admitted) out_.ends[live.index].began_at = now_;
      if (!live.entry.is_admitted) taken += live.entry.cache_bytes;
      live.entry.is_admitted = true;
    }
    out_.most_bytes = std::max(out_.most_bytes, taken);
    int64_t rows = 0, prompt_rows = 0;
    bool some_prompt_is_left = false;
    for (const Part& part : plan.parts) {
      Live& live = live_[part.entry];
      const int64_t own = part.text_rows + (part.has_step ? room.canvas_length : 0);
      if (!live.entry.has_stepped) {
        prompt_rows += part.text_rows;
        some_prompt_is_left |= part.text_rows < live.entry.pending;
      }
      rows += own;
      shares_.serve(live.entry.key, own);
      out_.ends[live.index].rows_at.emplace_back(now_, own);
      live.entry.pending -= part.text_rows;
      if (part.has_step) step(live);
    }
    for (Live& live : live_) note_pause(live);
    if (some_prompt_is_left) out_.least_prompt_rows = std::min(out_.least_prompt_rows, prompt_rows);
    out_.most_rows = std::max(out_.most_rows, rows);
    if (!plan.parts.empty()) ++out_.passes;
    std::erase_if(live_, [&](const Live& live) { return end_if_done(live); });
  }

  bool end_if_done(const Live& live) {
    if (out_.ends[live.index].ended_at < 0) return false;
    ++num_ended_;
    shares_.leave(live.entry.key);
    const auto [first, last] = followers_.equal_range(static_cast<int64_t>(live.index));
    for (auto follower = first; follower != last; ++follower) following_.push_back(follower->second);
    return true;
  }

  void step(Live& live) {
    SimulatedEnd& end = out_.ends[live.index];
    live.idle = -1;  // and 0 behind this pass
    live.entry.has_stepped = live.entry.is_in_canvas = true;
    if (++live.steps < requests_[live.index].steps[live.canvas]) return;
    live.entry.is_in_canvas = false;
    live.entry.pending = room_.canvas_length;
    live.steps = 0;
    ++live.entry.num_canvases;
    if (++live.canvas == 1) end.first_canvas_at = now_;
    if (live.canvas == requests_[live.index].steps.size()) end.ended_at = now_;
  }

  void note_pause(Live& live) {
    live.idle = live.has_slot && live.entry.has_stepped ? live.idle + 1 : 0;
    out_.ends[live.index].longest_pause = std::max(out_.ends[live.index].longest_pause, live.idle);
  }

  const std::vector<SimulatedRequest>& requests_;
  const Room room_;
  Simulated out_;
  std::vector<Live> live_;
  engine::KeyShares shares_;
  size_t next_ = 0, num_ended_ = 0;
  int64_t num_arrived_ = 0;
  std::multimap<int64_t, size_t> followers_;  // by the request behind which they come
  std::vector<size_t> following_;             // that arrive next
  int64_t now_ = 0;
};

}  // namespace

Simulated simulate(const std::vector<SimulatedRequest>& requests, const Room& room) {
  return Simulation(requests, room).run();
}

}  // namespace gesso::tests
