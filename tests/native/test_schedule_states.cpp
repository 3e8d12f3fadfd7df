// The scheduler's plans for random states, against all of its rules. Most of these states an engine comes to; others,
// such as a long text behind a canvas, it could come to later.
#include <algorithm>
#include <climits>
#include <vector>

#include "doctest/doctest.h"
#include "schedule_rules.h"
#include "schedule_simulation.h"

namespace {

using gesso::engine::Entry;
using gesso::engine::kPromptRows;
using gesso::engine::plan_pass;
using gesso::engine::Room;
using gesso::tests::broken_rule;
using gesso::tests::Draws;

// As model::pass_limits makes it: the processor has 256 rows and 256 more, a device 2048 and 256 more.
Room random_room(Draws& draws) {
  const int64_t canvas = draws.of({8, 32, 255, 256, 257, 1000, 2048, 4096});
  const int64_t rows = std::max(draws.of({256, 2048}), canvas);
  Room room{.canvas_length = canvas, .rows_per_kind = rows, .max_rows = rows + std::max(kPromptRows, canvas)};
  room.slots = draws.from_to(1, std::min<int64_t>(64, rows / canvas));
  room.free_bytes = draws.of({0, 3, 10, 1 << 30});
  return room;
}

int64_t random_pending(Draws& draws, const Room& room) {
  return draws.of({0, 0, 1, draws.from_to(1, 300), room.canvas_length, draws.from_to(0, 5000), 100000});
}

// `canvases` is how many slots canvases have not taken yet.
Entry random_entry(Draws& draws, const Room& room, int64_t order, int64_t& canvases) {
  Entry e{.order = order, .key = draws.from_to(0, draws.of({0, 1, 5})), .cache_bytes = draws.from_to(0, 4)};
  e.priority = static_cast<int>(draws.of({0, 0, 0, 0, 0, 1, -1, INT_MIN, INT_MAX}));
  e.is_admitted = draws.from_to(0, 2) > 0;
  e.must_wait = draws.from_to(0, 3) == 0;
  e.pending = random_pending(draws, room);
  if (!e.is_admitted) return e;
  e.has_stepped = draws.from_to(0, 2) > 0;
  if (!e.has_stepped) return e;
  e.num_canvases = draws.of({0, 1, 2, 7});
  e.is_in_canvas = canvases > 0 && (e.num_canvases == 0 || draws.from_to(0, 1) == 0);
  if (e.is_in_canvas) {
    --canvases;
    e.pending = 0;
  } else if (draws.from_to(0, 9) > 0) {
    e.pending = draws.of({0, room.canvas_length});
  }
  return e;
}

}  // namespace

TEST_CASE("plans for random states keep every rule") {
  Draws draws(1);
  for (int round = 0; round < 20000; ++round) {
    const Room room = random_room(draws);
    // Keys are served alike, or very unlike.
    std::vector<int64_t> served(6);
    for (int64_t& rows : served) rows = draws.of({0, draws.from_to(0, 100000), draws.from_to(0, 1 << 30)});
    int64_t canvases = draws.from_to(0, room.slots);
    std::vector<Entry> entries;
    const int64_t count = draws.of({0, 1, 2, draws.from_to(1, 10), draws.from_to(1, 3 * room.slots)});
    for (int64_t i = 0; i < count; ++i) {
      entries.push_back(random_entry(draws, room, draws.of({i * 2, i * 2, 1000 - i}) + 10000 * (i % 2), canvases));
      entries.back().served = served[entries.back().key];
    }
    const std::string broken = broken_rule(entries, room, plan_pass(entries, room));
    INFO("round ", round, ": ", broken);
    REQUIRE(broken.empty());
  }
}

TEST_CASE("numbers at the end of their range do not overflow") {
  constexpr int64_t kMost = INT64_MAX;
  const Room room = gesso::tests::kDeviceRoom;
  std::vector<Entry> entries;
  for (int64_t i = 0; i < 20; ++i) {
    entries.push_back({.order = i,
                       .priority = i % 2 == 0 ? INT_MIN : INT_MAX,
                       .key = i % 3,
                       .served = kMost - i % 3,
                       .pending = 100,
                       .cache_bytes = i == 19 ? kMost : 0});
  }
  const gesso::engine::Plan plan = plan_pass(entries, room);
  CHECK(plan.slots.size() == 8);
  for (const size_t i : plan.slots) CHECK(i % 2 == 1);
}
