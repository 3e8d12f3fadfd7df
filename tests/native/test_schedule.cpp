// What the scheduler decides, without a model.
#include <algorithm>
#include <utility>
#include <vector>

#include "doctest/doctest.h"
#include "engine/key_shares.h"
#include "schedule_simulation.h"

namespace {

using gesso::engine::Entry;
using gesso::engine::Part;
using gesso::engine::Plan;
using gesso::engine::plan_pass;
using gesso::engine::Room;
using gesso::tests::Draws;
using gesso::tests::kDeviceRoom;
using gesso::tests::simulate;
using gesso::tests::Simulated;
using gesso::tests::SimulatedRequest;

constexpr Room kCpuRoom = {
    .slots = 1, .canvas_length = 256, .rows_per_kind = 256, .max_rows = 512, .free_bytes = int64_t{1} << 60};

Entry prompt(int64_t order, int64_t length) { return {.order = order, .pending = length}; }

Entry in_canvas(int64_t order) {
  return {.order = order, .is_admitted = true, .has_stepped = true, .is_in_canvas = true};
}

Entry committed(int64_t order) {
  return {.order = order, .num_canvases = 1, .pending = 256, .is_admitted = true, .has_stepped = true};
}

// The rows of text of an entry, and whether it steps. Every entry here takes part.
std::pair<int64_t, bool> part_of(const Plan& plan, size_t entry) {
  for (const Part& part : plan.parts) {
    if (part.entry == entry) return {part.text_rows, part.has_step};
  }
  FAIL("entry ", entry, " has no part");
  return {};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// 32 requests of four canvases, each of 5 to 23 steps.
std::vector<SimulatedRequest> uneven_requests(uint64_t seed) {
  Draws draws(seed);
  std::vector<SimulatedRequest> requests(32);
  for (SimulatedRequest& request : requests) {
    for (int i = 0; i < 4; ++i) request.steps.push_back(draws.from_to(5, 23));
  }
  return requests;
}

// Batches of eight that walk in lock step, one after the other, each canvas as long as its slowest. What is encoded
// costs nothing here. Returns at which pass each request ends.
std::vector<double> lock_step_ends(const std::vector<SimulatedRequest>& requests) {
  std::vector<double> ends;
  int64_t passes = 0;
  for (size_t first = 0; first < requests.size(); first += 8) {
    for (size_t canvas = 0; canvas < 4; ++canvas) {
      int64_t slowest = 0;
      for (size_t i = first; i < first + 8; ++i) slowest = std::max(slowest, requests[i].steps[canvas]);
      passes += slowest;
    }
    ends.insert(ends.end(), 8, static_cast<double>(passes));
  }
  return ends;
}

}  // namespace

TEST_CASE("requests of uneven canvases take fewer passes than in lock step") {
  std::vector<double> passes, middles;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<SimulatedRequest> requests = uneven_requests(seed);
    const Simulated simulated = simulate(requests, kDeviceRoom);
    const std::vector<double> lock_step = lock_step_ends(requests);
    std::vector<double> ends;
    for (const auto& end : simulated.ends) ends.push_back(static_cast<double>(end.ended_at + 1));
    passes.push_back(static_cast<double>(simulated.passes) / lock_step.back());
    middles.push_back(median(ends) / median(lock_step));
  }
  MESSAGE("passes: ", median(passes), " of lock step; the median request ends at ", median(middles));
  CHECK(median(passes) <= 0.72);
  CHECK(median(middles) <= 0.70);
}

TEST_CASE("a canvas, a committed one and a slice of a prompt share a pass") {
  // The example in schedule.h: six canvases, a committed one, and a prompt of 1000 tokens.
  std::vector<Entry> entries;
  for (int64_t i = 0; i < 6; ++i) entries.push_back(in_canvas(i));
  entries.push_back(committed(6));
  entries.push_back(prompt(7, 1000));
  const Plan plan = plan_pass(entries, kDeviceRoom);
  CHECK(plan.slots.size() == 8);
  for (size_t i = 0; i < 6; ++i) CHECK(part_of(plan, i) == std::pair<int64_t, bool>(0, true));
  CHECK(part_of(plan, 6) == std::pair<int64_t, bool>(256, true));
  CHECK(part_of(plan, 7) == std::pair<int64_t, bool>(256, false));
}

TEST_CASE("the last slice of a prompt and the first step share a pass if they fit") {
  CHECK(part_of(plan_pass({{prompt(0, 64)}}, kDeviceRoom), 0) == std::pair<int64_t, bool>(64, true));
  CHECK(part_of(plan_pass({{prompt(0, 0)}}, kDeviceRoom), 0) == std::pair<int64_t, bool>(0, true));
  CHECK(part_of(plan_pass({{prompt(0, 2048)}}, kDeviceRoom), 0) == std::pair<int64_t, bool>(2048, true));
  CHECK(part_of(plan_pass({{prompt(0, 2049)}}, kDeviceRoom), 0) == std::pair<int64_t, bool>(2048, false));
  CHECK(part_of(plan_pass({{prompt(0, 256)}}, kCpuRoom), 0) == std::pair<int64_t, bool>(256, true));
  CHECK(part_of(plan_pass({{prompt(0, 100000)}}, kCpuRoom), 0) == std::pair<int64_t, bool>(256, false));
}

TEST_CASE("a free slot goes to the highest priority, the key that was served least, the oldest") {
  Room room = kDeviceRoom;
  room.slots = 1;
  std::vector<Entry> entries = {prompt(3, 64), prompt(2, 64), prompt(1, 64)};
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{2});
  entries[1].key = 1;
  entries[0].served = entries[2].served = 100;  // of key 0; key 1 has 0
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{1});
  entries[0].priority = 1;
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{0});
}

TEST_CASE("keys share slots that are free at one time") {
  std::vector<Entry> entries;
  for (int64_t i = 0; i < 20; ++i) {
    entries.push_back(prompt(i, 64));
    entries[i].key = i < 16 ? 0 : 1;  // sixteen requests of one key are before four of another
  }
  const Plan plan = plan_pass(entries, kDeviceRoom);
  CHECK(plan.slots == std::vector<size_t>{0, 1, 2, 3, 16, 17, 18, 19});
}

TEST_CASE("a request keeps its slot between canvases unless another deserves it more") {
  Room room = kDeviceRoom;
  room.slots = 1;
  std::vector<Entry> entries = {committed(0), prompt(1, 64), prompt(2, 64)};
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{0});
  entries[1].key = 1;
  entries[0].served = entries[2].served = 1;
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{1});
  entries[0].is_in_canvas = true;  // a canvas is not interrupted, whatever waits
  entries[0].pending = 0;
  entries[1].priority = 9;
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{0});
}

TEST_CASE("the last requests take turns, and none waits for ever") {
  Room room = kDeviceRoom;
  room.slots = 2;
  const auto slot_of_two = [&](int64_t newer) {
    std::vector<Entry> entries = {committed(3), in_canvas(4), prompt(newer, 64)};
    entries[0].num_canvases = 2;
    return plan_pass(entries, room).slots;
  };
  // Two canvases of a request and two slots: eight places back.
  CHECK(slot_of_two(10) == std::vector<size_t>{1, 2});
  CHECK(slot_of_two(11) == std::vector<size_t>{0, 1});
  // When many wait, they come in their order.
  std::vector<Entry> entries = {committed(3), prompt(4, 64), prompt(5, 64), prompt(6, 64)};
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{0, 1});
}

TEST_CASE("while the next request lacks memory, none behind it begins, and admitted ones go on") {
  Room room = kDeviceRoom;
  room.free_bytes = 10;
  std::vector<Entry> entries = {prompt(0, 64), prompt(1, 64), prompt(2, 64), committed(3)};
  entries[0].cache_bytes = 6;
  entries[1].cache_bytes = 5;
  entries[2].cache_bytes = 1;
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{0, 3});
  room.free_bytes = 11;
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{0, 1, 3});
  room.free_bytes = 0;
  CHECK(plan_pass(entries, room).slots == std::vector<size_t>{3});
}

TEST_CASE("a request that waits for what another one encodes leaves its place to those behind it") {
  std::vector<Entry> entries = {prompt(0, 64), prompt(1, 64), prompt(2, 64)};
  entries[0].is_admitted = true;
  entries[1].must_wait = true;
  CHECK(plan_pass(entries, kDeviceRoom).slots == std::vector<size_t>{0, 2});
}

TEST_CASE("who has waited for a step goes before canvases that were committed since") {
  // Four older sequences have committed a canvas; with their texts and steps they would fill the pass. Four younger
  // ones, one of them with a new prompt, were encoded in the pass before and had no room for their steps.
  std::vector<Entry> entries;
  for (int64_t i = 0; i < 4; ++i) entries.push_back(committed(i));
  for (int64_t i = 4; i < 8; ++i) {
    entries.push_back(committed(i));
    entries.back().pending = 0;
  }
  entries.back().has_stepped = false;
  const Plan plan = plan_pass(entries, kDeviceRoom);
  for (size_t i = 4; i < 8; ++i) CHECK(part_of(plan, i) == std::pair<int64_t, bool>(0, true));
  CHECK(part_of(plan, 0) == std::pair<int64_t, bool>(256, true));  // 1024 + 1024 rows, and this step
  for (size_t i = 1; i < 4; ++i) CHECK(part_of(plan, i) == std::pair<int64_t, bool>(256, false));
}

TEST_CASE("a long prompt and short ones do not hold each other up") {
  std::vector<Entry> entries = {prompt(0, 100000), prompt(1, 100), prompt(2, 100)};
  for (int64_t i = 3; i < 8; ++i) entries.push_back(in_canvas(i));
  const Plan plan = plan_pass(entries, kDeviceRoom);  // 1024 rows beside the canvases
  CHECK(part_of(plan, 1) == std::pair<int64_t, bool>(100, true));
  CHECK(part_of(plan, 2) == std::pair<int64_t, bool>(100, true));
  CHECK(part_of(plan, 0) == std::pair<int64_t, bool>(312, false));
  // Prompts that are shorter than the oldest, and take all that is left, leave it 128 rows.
  entries = {prompt(0, 100000), prompt(1, 700)};
  for (int64_t i = 2; i < 8; ++i) entries.push_back(in_canvas(i));
  CHECK(part_of(plan_pass(entries, kDeviceRoom), 0) == std::pair<int64_t, bool>(128, false));
  CHECK(part_of(plan_pass(entries, kDeviceRoom), 1) == std::pair<int64_t, bool>(640, false));
}

TEST_CASE("a key that comes anew begins with what the least served one has") {
  gesso::engine::KeyShares shares;
  shares.enter(7);
  CHECK(shares.served(7) == 0);
  shares.serve(7, 500);
  shares.enter(8);
  shares.serve(8, 20);
  shares.enter(9);
  CHECK(shares.served(9) == 500);  // as key 7
  shares.enter(8);                 // a second request
  shares.leave(8);
  CHECK(shares.served(8) == 520);
  shares.leave(8);  // now the key has none, and is forgotten
  shares.serve(7, 1);
  shares.serve(9, 100);
  shares.enter(8);
  CHECK(shares.served(8) == 501);
}
