// A request writes the same text alone and in any schedule. `make schedules` runs more of them.
#include <doctest/doctest.h>

#include "engine_schedule.h"

namespace {

using gesso::tests::ScheduleCounts;

}  // namespace

// It fails for example when the soft embeddings of the canvases that go on do not move together, or when a restored
// prefix has no ring.
TEST_CASE("in random schedules every request writes what it writes alone") {
  const std::vector<gesso::Model> models = gesso::tests::schedule_models("cpu", 2);
  ScheduleCounts counts;
  for (uint64_t number = 0; number < 40; ++number) {
    CAPTURE(number);
    CHECK(gesso::tests::run_schedule(models[number % models.size()], number, counts) == "");
  }
  // They come to everything.
  for (int64_t ScheduleCounts::*count :
       {&ScheduleCounts::session_requests, &ScheduleCounts::refused, &ScheduleCounts::too_large, &ScheduleCounts::whole,
        &ScheduleCounts::cancelled, &ScheduleCounts::exceeded, &ScheduleCounts::failed, &ScheduleCounts::cut_short,
        &ScheduleCounts::prefix_hits}) {
    CHECK(counts.*count > 0);
  }
}
