#include "ops/ceilings.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>

#include "core/threads/threads.h"
#include "cpu/kernels/int8_kernels.h"
#include "cpu/kernels/product_rates.h"

namespace gesso::cpu {
namespace {

// The work is divided into this many shares per thread. If a thread starts late, the others take some of its shares.
constexpr int64_t kSharesPerThread = 16;
constexpr int64_t kRounds = 20'000;  // of a share of products; they take some 50 microseconds
constexpr int kMinSamples = 3;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Runs `work` again and again for so many milliseconds and returns the time of the fastest run. A disturbance can only
// make a run slower, so the fastest one is closest to what the machine can do.
double best_seconds(double milliseconds, const std::function<void()>& work) {
  work();  // not timed: maps the memory's pages and lets the processor raise its clock
  double best = 0;
  const Clock::time_point start = Clock::now();
  for (int sample = 0; sample < kMinSamples || 1000 * seconds_since(start) < milliseconds; ++sample) {
    const Clock::time_point begin = Clock::now();
    work();
    const double seconds = seconds_since(begin);
    best = sample == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

// Calls body(share) for all shares, on all threads.
template <typename Body>
void share_out(const Context& context, const Body& body) {
  parallel_for(context, context.num_threads * kSharesPerThread, kMinOperationsPerThread * kSharesPerThread, body);
}

// Adds up all words. The result is used, so that the compiler cannot leave out the reads.
uint64_t sum_words(const std::byte* data, int64_t num_bytes) {
  constexpr int kWords = 32;
  uint64_t sums[kWords] = {}, words[kWords];
  for (int64_t i = 0; i + static_cast<int64_t>(sizeof(words)) <= num_bytes; i += sizeof(words)) {
    std::memcpy(words, data + i, sizeof(words));
    for (int k = 0; k < kWords; ++k) sums[k] += words[k];
  }
  uint64_t sum = 0;
  for (const uint64_t each : sums) sum += each;
  return sum;
}

void measure_memory(const Context& context, const CeilingOptions& options, std::vector<Ceiling>& ceilings) {
  const int64_t share_bytes = options.bytes / (context.num_threads * kSharesPerThread) + 1;
  const int64_t num_bytes = share_bytes * context.num_threads * kSharesPerThread;
  const auto source = std::make_unique<std::byte[]>(num_bytes), target = std::make_unique<std::byte[]>(num_bytes);
  const double copy_s = best_seconds(options.milliseconds, [&] {
    share_out(context, [&](int64_t i) {
      std::memcpy(target.get() + i * share_bytes, source.get() + i * share_bytes, share_bytes);
    });
  });
  ceilings.push_back({"copy", "", 2 * static_cast<double>(num_bytes) / copy_s, 0});
  std::vector<uint64_t> sums(context.num_threads * kSharesPerThread);
  const double read_s = best_seconds(options.milliseconds, [&] {
    share_out(context, [&](int64_t i) { sums[i] += sum_words(source.get() + i * share_bytes, share_bytes); });
  });
  ceilings.push_back({"read", "", static_cast<double>(num_bytes) / read_s, 0});
}

void measure_products(const Context& context, const CeilingOptions& options, std::vector<Ceiling>& ceilings) {
  for (const ProductLoop& loop : product_loops()) {
    std::vector<double> operations(context.num_threads * kSharesPerThread);
    const double seconds = best_seconds(
        options.milliseconds, [&] { share_out(context, [&](int64_t i) { operations[i] = loop.run(kRounds); }); });
    double total = 0;
    for (const double each : operations) total += each;
    ceilings.push_back({loop.operands, loop.instruction_set, 0, total / seconds});
  }
}

}  // namespace

std::vector<Ceiling> measure_ceilings(const Context& context, const CeilingOptions& options) {
  std::vector<Ceiling> ceilings;
  measure_memory(context, options, ceilings);
  measure_products(context, options, ceilings);
  return ceilings;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const ProductLoop& loop : product_loops()) {
    if (std::find(names.begin(), names.end(), loop.instruction_set) == names.end()) {
      names.emplace_back(loop.instruction_set);
    }
  }
  return names;
}

std::string int8_kernels_name() { return int8_kernels().name; }

}  // namespace gesso::cpu
