// The scheduler under load: thousands of requests that arrive at random, without a model. Times are in passes.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <queue>
#include <utility>
#include <vector>

#include "doctest/doctest.h"
#include "schedule_simulation.h"

namespace {

using gesso::engine::Room;
using gesso::tests::Draws;
using gesso::tests::kDeviceRoom;
using gesso::tests::simulate;
using gesso::tests::Simulated;
using gesso::tests::SimulatedEnd;
using gesso::tests::SimulatedRequest;

constexpr int64_t kLongest = 23;  // steps of a canvas

SimulatedRequest random_request(Draws& draws, int64_t arrives_at) {
  SimulatedRequest request{.arrives_at = arrives_at, .prompt = draws.of({1, 64, 64, 300, 300, 1000})};
  const int64_t canvases = draws.from_to(1, 4);
  for (int64_t i = 0; i < canvases; ++i) request.steps.push_back(draws.from_to(5, kLongest));
  return request;
}

// Poisson arrivals. A request takes 2.5 canvases of 14 steps on average, and a pass has 8, so a load of 1 would be 8 /
// 35 requests per pass. In each thousandth of a pass one comes with the same probability.
std::vector<SimulatedRequest> poisson(uint64_t seed, int64_t count, int64_t percent) {
  Draws draws(seed);
  std::vector<SimulatedRequest> requests;
  for (int64_t now = 0; std::ssize(requests) < count; ++now) {
    if (draws.from_to(1, 100 * 1000 * 35) <= percent * 8) requests.push_back(random_request(draws, now / 1000));
  }
  return requests;
}

int64_t percentile(std::vector<int64_t> values, size_t percent) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) * percent / 100];
}

struct Times {
  std::vector<int64_t> waits, whole;  // from the arrival to the first slot, and to the end
};

Times times_of(const Simulated& simulated) {
  Times times;
  for (const SimulatedEnd& end : simulated.ends) {
    times.waits.push_back(end.began_at - end.arrived_at);
    times.whole.push_back(end.ended_at + 1 - end.arrived_at);
  }
  return times;
}

// First come, first served, each to its end, and texts cost nothing.
Times first_come(const std::vector<SimulatedRequest>& requests) {
  Times times;
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> free_at;
  for (int i = 0; i < 8; ++i) free_at.push(0);
  for (const SimulatedRequest& request : requests) {
    const int64_t begins = std::max(free_at.top(), request.arrives_at);
    int64_t ends = begins + (request.prompt - 1) / 256;
    for (const int64_t steps : request.steps) ends += steps;
    free_at.pop();
    free_at.push(ends);
    times.waits.push_back(begins - request.arrives_at);
    times.whole.push_back(ends - request.arrives_at);
  }
  return times;
}

// What holds at any load.
void check_rules(const Simulated& simulated) {
  CHECK(simulated.broken_rule == "");
  CHECK(simulated.most_rows <= kDeviceRoom.max_rows);
  CHECK(simulated.least_prompt_rows >= 256);
  int64_t longest_pause = 0;
  for (const SimulatedEnd& end : simulated.ends) longest_pause = std::max(longest_pause, end.longest_pause);
  CHECK(longest_pause <= 1);
}

// The most by which the rows of two keys come to differ, from the time when both have requests on, while both wait for
// slots.
int64_t largest_lead(const std::vector<SimulatedRequest>& requests, const Simulated& simulated, int64_t a, int64_t b) {
  std::map<int64_t, int64_t> lead_at;  // by pass, of key a
  int64_t end_of_waiting = INT64_MAX;  // when the first of the two has begun its last request
  for (const int64_t key : {a, b}) {
    int64_t last_began_at = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      if (requests[i].key != key) continue;
      last_began_at = std::max(last_began_at, simulated.ends[i].began_at);
      for (const auto& [pass, rows] : simulated.ends[i].rows_at) lead_at[pass] += key == a ? rows : -rows;
    }
    end_of_waiting = std::min(end_of_waiting, last_began_at);
  }
  REQUIRE(end_of_waiting > 100);
  int64_t lead = 0, largest = 0;
  for (const auto& [pass, more] : lead_at) {
    if (pass >= end_of_waiting) break;
    largest = std::max(largest, std::abs(lead += more));
  }
  return largest;
}

}  // namespace

TEST_CASE("at 70 and 95 % load the tail stays near first come, first served") {
  for (const int64_t percent : {70, 95}) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const std::vector<SimulatedRequest> requests = poisson(seed, 3000, percent);
      const Simulated simulated = simulate(requests, kDeviceRoom);
      check_rules(simulated);
      const Times times = times_of(simulated), bound = first_come(requests);
      INFO(percent, " % load, seed ", seed);
      // Nobody waits much longer for a first slot than where requests are served one after the other, each to its end.
      CHECK(percentile(times.waits, 99) <= percentile(bound.waits, 99) * 5 / 4 + 10);
      // While few wait they take turns, so long requests end later, and short ones earlier.
      CHECK(percentile(times.whole, 50) <= percentile(bound.whole, 50) * 3 / 2);
      CHECK(percentile(times.whole, 99) <= percentile(bound.whole, 99) * 2);
    }
  }
}

TEST_CASE("a burst of a thousand requests keeps all slots at work") {
  Draws draws(1);
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 1000; ++i) requests.push_back(random_request(draws, 0));
  const Simulated simulated = simulate(requests, kDeviceRoom);
  check_rules(simulated);
  const Times times = times_of(simulated), bound = first_come(requests);
  for (const size_t percent : {50, 90, 99, 100}) {
    CHECK(percentile(times.whole, percent) <= percentile(bound.whole, percent) * 102 / 100 + kLongest);
  }
}

TEST_CASE("a key with one short request is begun soon although another key has a thousand waiting") {
  Draws draws(2);
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 1000; ++i) requests.push_back(random_request(draws, 0));
  for (int64_t i = 1; i <= 100; ++i) requests.push_back({.arrives_at = 20 * i, .prompt = 64, .steps = {8}, .key = i});
  const Simulated simulated = simulate(requests, kDeviceRoom);
  check_rules(simulated);
  for (size_t i = 1000; i < requests.size(); ++i) {
    const SimulatedEnd& end = simulated.ends[i];
    CHECK(end.began_at - end.arrived_at <= kLongest);  // a slot becomes free when a canvas is done
    CHECK(end.ended_at - end.began_at <= 8 + 1);       // 8 steps, and one pass if the first one's rows do not suffice
  }
}

TEST_CASE("keys that wait get the same rows, whatever their requests are like") {
  Draws draws(3);
  std::vector<SimulatedRequest> requests;
  for (int64_t i = 0; i < 900; ++i) {
    SimulatedRequest request = random_request(draws, 0);
    request.key = i < 700 ? 0 : i % 2 + 1;  // key 0 floods
    if (request.key == 1) request.steps = {5};
    if (request.key == 2) request = {.prompt = 3000, .steps = {kLongest, kLongest}, .key = 2};
    requests.push_back(request);
  }
  const Simulated simulated = simulate(requests, kDeviceRoom);
  check_rules(simulated);
  const int64_t bound = 2 * kLongest * kDeviceRoom.canvas_length;  // two of the longest canvases
  for (const auto& [a, b] : {std::pair(0, 1), {0, 2}, {1, 2}}) {
    const int64_t lead = largest_lead(requests, simulated, a, b);
    CHECK(lead > 0);
    CHECK(lead <= bound);
  }
}

TEST_CASE("a higher priority is begun as soon as a canvas is done, and the others end, too") {
  Draws draws(4);
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 300; ++i) requests.push_back(random_request(draws, 0));
  for (int64_t i = 1; i <= 30; ++i) {
    SimulatedRequest request = random_request(draws, 30 * i);
    request.priority = 1;
    requests.push_back(request);
  }
  const Simulated simulated = simulate(requests, kDeviceRoom);
  check_rules(simulated);
  for (size_t i = 300; i < requests.size(); ++i) {
    CHECK(simulated.ends[i].began_at - simulated.ends[i].arrived_at <= kLongest);
  }
}

TEST_CASE("caches never take more than there is, and large ones come to their turn") {
  Room room = kDeviceRoom;
  room.free_bytes = 100;
  Draws draws(5);
  std::vector<SimulatedRequest> requests;
  for (int i = 0; i < 1000; ++i) {
    SimulatedRequest request = random_request(draws, i);
    request.cache_bytes = draws.of({1, 10, 20, 100});
    request.key = draws.from_to(0, 3);
    requests.push_back(request);
  }
  const Simulated simulated = simulate(requests, room);
  check_rules(simulated);
  CHECK(simulated.most_bytes == room.free_bytes);
  for (const SimulatedEnd& end : simulated.ends) CHECK(end.ended_at >= 0);
}

TEST_CASE("a long request comes to an end while clients of its key go on and on") {
  // Twelve clients, each with a request of one canvas after the other, of which four always wait. The long request has
  // committed more canvases than any of theirs.
  std::vector<SimulatedRequest> requests(1);
  requests[0].steps.assign(20, 10);
  for (int64_t i = 1; i < 3000; ++i) {
    requests.emplace_back().steps = {10};
    if (i > 12) requests.back().after = i - 12;
  }
  const Simulated simulated = simulate(requests, kDeviceRoom);
  check_rules(simulated);
  // With each of its canvases it lets 16 more requests pass. They take eight slots for 20 passes; its own canvas takes
  // 10 more, and a place may become free late.
  CHECK(simulated.ends[0].ended_at <= 20 * 40);
}

TEST_CASE("a long prompt does not hold up short ones, nor they it") {
  std::vector<SimulatedRequest> requests = {{.prompt = 100000, .steps = {8}}};
  for (int64_t i = 1; i < 2000; ++i) requests.push_back({.arrives_at = i, .prompt = 200, .steps = {8}});
  const Simulated simulated = simulate(requests, kDeviceRoom);
  check_rules(simulated);
  int64_t most = 0;
  for (size_t i = 1; i < requests.size(); ++i) {
    most = std::max(most, simulated.ends[i].first_canvas_at - simulated.ends[i].began_at);
  }
  CHECK(most <= 12);                                      // 8 steps, and the slices
  CHECK(simulated.ends[0].ended_at <= 100000 / 128 + 8);  // half of kPromptRows in each pass
}
