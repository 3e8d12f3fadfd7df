// Runs random schedules of requests: `engine_schedules --count 500 --threads 3`. Each request must write what it writes
// alone. A schedule that fails is named by its number, and `--first NUMBER --count 1` runs it again.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine_schedule.h"
#ifdef GESSO_EMULATED
#include "emulator.h"
#endif

namespace {

using gesso::tests::ScheduleCounts;

void print(const ScheduleCounts& c) {
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "engine_schedules: %lld requests (%lld of sessions), %lld passes; whole %lld, cancelled %lld (%lld behind a "
      "canvas), late %lld, exceeded %lld, failed %lld; refused %lld, too large %lld; %lld prefix hits\n",
      number(c.requests), number(c.session_requests), number(c.passes), number(c.whole), number(c.cancelled),
      number(c.cut_short), number(c.late), number(c.exceeded), number(c.failed), number(c.refused), number(c.too_large),
      number(c.prefix_hits));
}

}  // namespace

int main(int argc, char** argv) {
  int64_t first = 0, count = 500, threads = 2;
  std::string device = "cpu", golden_model;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--first") first = std::atoll(argv[i + 1]);
    if (name == "--count") count = std::atoll(argv[i + 1]);
    if (name == "--threads") threads = std::atoll(argv[i + 1]);
    if (name == "--device") device = argv[i + 1];
    if (name == "--golden-model") golden_model = argv[i + 1];
  }
  const std::vector<gesso::Model> models =
      gesso::tests::schedule_models(device, static_cast<int>(threads), golden_model);
  ScheduleCounts counts;
  int64_t num_failed = 0;
  for (int64_t number = first; number < first + count; ++number) {
    const auto runs_alone = [&]([[maybe_unused]] bool alone) {
#ifdef GESSO_EMULATED
      gesso::emulator::set_seed(alone ? 1 : 2 + number % 5);
#endif
    };
    const std::string problem =
        gesso::tests::run_schedule(models[number % std::ssize(models)], number, counts, runs_alone);
    if (problem.empty()) continue;
    ++num_failed;
    std::fprintf(stderr, "engine_schedules: schedule %lld: %s\n", static_cast<long long>(number), problem.c_str());
  }
  print(counts);
  return num_failed == 0 ? 0 : 1;
}
