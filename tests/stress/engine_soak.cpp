// Four clients of one engine for some seconds: `engine_soak 3600`. They submit, cancel, are late, forget prefixes, take
// events, continue sessions, fork, save and load them, and leave requests alone. Every text must be what it is alone.
// After each round the engine must be idle and hold nothing, and after the last round the process must not have more
// memory than after the first one. `make stress` runs a minute of it. The exit status says whether all was well.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "gesso/engine.h"
#include "random_request.h"
#include "tiny_checkpoint.h"

namespace {

using gesso::Engine;
using gesso::Request;
using gesso::RequestOptions;
using gesso::Session;
using gesso::tests::Ids;
using gesso::tests::Outcome;
using gesso::tests::Random;
using gesso::tests::RandomRequest;
using Clock = std::chrono::steady_clock;

constexpr int kClients = 4, kRequests = 60;
// What the allocator keeps of freed memory varies by some MiB from round to round.
[[maybe_unused]] constexpr int64_t kMaxGrowth = 32 << 20;

struct Counts {
  std::atomic<int64_t> submitted = 0, refused = 0, cancelled = 0, late = 0, turns = 0, wrong = 0;
};

void expect(Counts& counts, const std::string& problem) {
  if (problem.empty()) return;
  if (++counts.wrong <= 5) std::fprintf(stderr, "engine_soak: %s\n", problem.c_str());
}

// The requests of all clients, and what they write alone.
struct Catalogue {
  explicit Catalogue(const gesso::Model& model) {
    Random random(1);
    texts = random_texts(random, model.config());
    for (int i = 0; i < kRequests; ++i) {
      requests.push_back(random_request(random, model.config(), texts, 0));
      alone.push_back(run_alone(model, requests.back()));
    }
  }
  std::vector<Ids> texts;
  std::vector<RandomRequest> requests;
  std::vector<Outcome> alone;
};

class Client {
 public:
  Client(const gesso::Model& model, Engine& engine, const Catalogue& catalogue, Counts& counts, uint64_t seed)
      : model_(model), engine_(engine), catalogue_(catalogue), counts_(counts), random_(seed) {}

  void run(const std::atomic<bool>& is_over) {
    while (!is_over) {
      if (random_.chance(25)) {
        take_turns(Session(model_));
      } else if (random_.chance(5)) {
        engine_.forget_prefixes();
      } else {
        submit_some();
      }
    }
  }

 private:
  // Some requests at once, of which some are cancelled, late, or left alone.
  void submit_some() {
    std::vector<std::pair<size_t, RandomRequest>> wanted;
    std::vector<Request> requests;
    std::vector<bool> cancelled;
    for (int64_t i = 1 + random_.below(3); i > 0; --i) {
      const size_t index = random_.below(kRequests);
      RandomRequest request = catalogue_.requests[index];
      RequestOptions& options = request.options;
      options.key = std::string(1, static_cast<char>('a' + random_.below(20)));
      options.priority = static_cast<int>(random_.below(3));
      options.keep_events = random_.chance(20);
      if (random_.chance(10)) options.deadline = random_.pick<double>({1e-6, 1e-3, 1e-2, 100.0});
      try {
        requests.push_back(engine_.submit(request.ids, request.traced_options()));
      } catch (const gesso::QueueFull&) {
        ++counts_.refused;
        continue;
      }
      ++counts_.submitted;
      wanted.emplace_back(index, std::move(request));
      cancelled.push_back(random_.chance(15));
    }
    if (random_.chance(5)) return;  // nobody waits for them
    for (size_t i = 0; i < requests.size(); ++i) {
      for (int64_t spins = random_.below(2000); cancelled[i] && spins > 0; --spins) std::this_thread::yield();
      if (cancelled[i]) requests[i].cancel();
    }
    for (size_t i = 0; i < requests.size(); ++i) check(requests[i], wanted[i].second, wanted[i].first, cancelled[i]);
  }

  void check(const Request& request, const RandomRequest& wanted, size_t index, bool was_cancelled) {
    if (wanted.options.keep_events) {
      while (request.next()) {
      }
    }
    const Outcome got = outcome_of(request, wanted);
    const bool has_deadline = wanted.options.deadline.has_value();
    expect(counts_, compare(got, catalogue_.alone[index], was_cancelled, has_deadline));
    counts_.late += got.error == "DeadlineExceeded" || got.result.finish_reason == gesso::FinishReason::kDeadline;
    counts_.cancelled += got.result.finish_reason == gesso::FinishReason::kCancelled;
  }

  // Some turns of a session. Others may go on with a fork of it, or with a copy that was saved.
  void take_turns(Session session) {
    for (int64_t turn = random_.below(3); turn >= 0; --turn) {
      const Ids before = session.ids(0);
      RandomRequest request = random_request(random_, model_.config(), catalogue_.texts, std::ssize(before));
      const int64_t room = model_.config().max_position_embeddings / 2 - std::ssize(before);
      if (room < 1) return;
      request.ids.resize(std::min(std::ssize(request.ids), std::min<int64_t>(room, 60)));
      const bool is_cancelled = random_.chance(20);
      try {
        const Request handle = engine_.submit(session, request.ids, request.traced_options());
        ++counts_.turns;
        for (int64_t spins = random_.below(500); is_cancelled && spins > 0; --spins) std::this_thread::yield();
        if (is_cancelled) handle.cancel();
        const Outcome got = outcome_of(handle, request);
        expect(counts_, compare(got, run_alone(model_, request, before), is_cancelled, false));
      } catch (const gesso::QueueFull&) {
        ++counts_.refused;
        expect(counts_, session.ids(0) == before ? "" : "a refused request has changed its session");
      }
      if (random_.chance(10)) take_turns(session.fork());
      if (random_.chance(10)) take_turns(Session::load(model_, session.save()));
    }
  }

  const gesso::Model& model_;
  Engine& engine_;
  const Catalogue& catalogue_;
  Counts& counts_;
  Random random_;
};

// The memory that the process has, or 0 where the system does not say.
int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

void soak(const gesso::Model& model, Engine& engine, const Catalogue& catalogue, Counts& counts, double seconds,
          uint64_t seed) {
  std::atomic<bool> is_over = false;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(
        [&, i] { Client(model, engine, catalogue, counts, seed * kClients + static_cast<uint64_t>(i)).run(is_over); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  is_over = true;
  for (std::thread& client : clients) client.join();
  engine.drain();
  engine.forget_prefixes();
  while (engine.counters().prefix_bytes > 0) std::this_thread::yield();
  const gesso::EngineCounters c = engine.counters();
  const int64_t ended = c.stopped + c.full_length + c.cancelled + c.late + c.exceeded + c.failed;
  expect(counts, c.cache_bytes == 0 && c.running == 0 && c.waiting == 0 ? "" : "an idle engine holds something");
  expect(counts, c.submitted == ended && c.submitted == counts.submitted + counts.turns && c.refused == counts.refused
                     ? ""
                     : "the counters do not add up");
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
  gesso::tests::TinySizes sizes;
  sizes.context = 500;
  const gesso::Model model(gesso::tests::TinyCheckpoint(sizes).get(), {"cpu", 2});
  const Catalogue catalogue(model);
  gesso::EngineOptions options;
  options.max_running = 4;
  options.max_queued = 2;
  options.memory_bytes = 1 << 20;
  options.prefix_bytes = 100000;  // prefixes displace one another
  Engine engine(model, options);
  Counts counts;
  const int num_rounds = seconds < 60 ? 2 : 6;
  int64_t first = 0, last = 0;
  for (int round = 0; round < num_rounds; ++round) {
    soak(model, engine, catalogue, counts, seconds / num_rounds, static_cast<uint64_t>(round));
    last = resident_bytes();
    if (round == 0) first = last;
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
  // A sanitizer keeps what is freed, and looks for leaks itself.
  expect(counts, last <= first + kMaxGrowth ? "" : "the process has more memory than after the first round");
#endif
  // A second is too short for that on a slow machine.
  const bool has_all = counts.cancelled > 0 && counts.late > 0 && counts.refused > 0 && counts.turns > 0;
  expect(counts, has_all || seconds < 10 ? "" : "something did not happen");
  const gesso::EngineCounters c = engine.counters();
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "engine_soak: %lld requests, %lld turns of sessions, %lld refused, %lld cancelled, %lld late; %lld passes, "
      "%lld prefix hits; resident %lld KiB after the first round, %lld KiB after the last\n",
      number(counts.submitted), number(counts.turns), number(counts.refused), number(counts.cancelled),
      number(counts.late), number(c.passes), number(c.prefix_hits), number(first / 1024), number(last / 1024));
  return counts.wrong == 0 ? 0 : 1;
}
