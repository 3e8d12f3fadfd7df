#include "core/log.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "core/platform/process.h"
#include "core/utf8.h"

namespace gesso {
namespace {

constexpr int32_t kNothing = 1 + static_cast<int32_t>(LogLevel::kWarning);

struct Target {
  LogCallback callback;
  LogLevel least;
  std::atomic<int> num_inside = 0;  // threads that run the callback
};

std::atomic<int32_t> least_level = kNothing;  // of the target; kNothing where there is none
thread_local bool is_inside = false;          // whether this thread runs a callback

// The present target, and the mutex that guards it. They are never destroyed: threads may still log while the process
// ends.
struct Place {
  std::mutex mutex;
  std::shared_ptr<Target> target;
};
Place& place() {
  static Place& only = *new Place;
  return only;
}

// A forked process has one thread, the one that forked. What other threads held or ran there is gone.
void forget_other_threads() {
  Place& p = place();
  new (&p.mutex) std::mutex;
  if (p.target) p.target->num_inside = is_inside ? 1 : 0;
}
[[maybe_unused]] const bool is_registered = (place(), platform::call_in_forked(forget_other_threads), true);

std::shared_ptr<Target> exchange(std::shared_ptr<Target> target) {
  Place& p = place();
  const std::lock_guard lock(p.mutex);
  least_level = target ? static_cast<int32_t>(target->least) : kNothing;
  return std::exchange(p.target, std::move(target));
}

// Returns the target, with one thread more inside, if it wants messages of this level.
std::shared_ptr<Target> enter(LogLevel level) {
  Place& p = place();
  const std::lock_guard lock(p.mutex);
  if (!p.target || level < p.target->least) return nullptr;
  ++p.target->num_inside;
  return p.target;
}

}  // namespace

void set_log_callback(LogCallback callback, LogLevel least) {
  const auto level = static_cast<int32_t>(least);
  check(level >= static_cast<int32_t>(LogLevel::kDebug) && level < kNothing,
        "least: expected a level from 1 (debug) to 3 (warning), got ", level);
  std::shared_ptr<Target> target;
  if (callback) target = std::make_shared<Target>(std::move(callback), least);
  const std::shared_ptr<Target> old = exchange(std::move(target));
  while (old && !is_inside && old->num_inside > 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

bool logs(LogLevel level) noexcept {
  return static_cast<int32_t>(level) >= least_level.load(std::memory_order_relaxed) && !is_inside;
}

void write_log(LogLevel level, std::string message) {
  if (message.empty()) return;
  // A path, and an error's message, which others may have written, can have any bytes.
  std::ranges::replace(message, '\n', ' ');
  message = visible(message);
  const std::shared_ptr<Target> target = enter(level);
  if (!target) return;
  struct Leave {
    Target& target;
    ~Leave() {
      is_inside = false;
      --target.num_inside;
    }
  } leave{*target};
  is_inside = true;
  target->callback(level, message);
}

std::string LogTimer::text() const {
  return time_text(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
}

std::string time_text(double seconds) {
  char text[32];
  const bool is_long = seconds >= 1;
  std::snprintf(text, sizeof text, is_long ? "%.2f s" : "%.1f ms", is_long ? seconds : seconds * 1000);
  return text;
}

std::string size_text(int64_t bytes) {
  constexpr struct {
    double factor;
    const char* form;
  } kUnits[] = {{1e9, "%.2f GB"}, {1e6, "%.1f MB"}};
  for (const auto& unit : kUnits) {
    if (static_cast<double>(bytes) < unit.factor) continue;
    char text[32];
    std::snprintf(text, sizeof text, unit.form, static_cast<double>(bytes) / unit.factor);
    return text;
  }
  return count_text(bytes, "byte");
}

std::string count_text(int64_t count, const char* singular, const char* plural) {
  if (count == 1) return concat("1 ", singular);
  return plural ? concat(count, " ", plural) : concat(count, " ", singular, "s");
}

}  // namespace gesso
