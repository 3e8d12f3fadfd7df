#include "core/log.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

namespace gesso {
namespace {

constexpr int32_t kNothing = 1 + static_cast<int32_t>(LogLevel::kWarning);

std::atomic<int32_t> least_level = kNothing;

// Never destroyed: threads may still log while the process ends.
struct Target {
  std::mutex mutex;
  std::shared_ptr<const LogCallback> callback;
};
Target& target() {
  static Target& only = *new Target;
  return only;
}

}  // namespace

void set_log_callback(LogCallback callback, LogLevel least) {
  const auto level = static_cast<int32_t>(least);
  check(level >= static_cast<int32_t>(LogLevel::kDebug) && level < kNothing,
        "least: expected a level from 1 (debug) to 3 (warning), got ", level);
  // Behind the lock it holds the old one, whose end may run code of the program.
  auto shared = callback ? std::make_shared<const LogCallback>(std::move(callback)) : nullptr;
  Target& t = target();
  const std::lock_guard lock(t.mutex);
  least_level = shared ? level : kNothing;
  t.callback.swap(shared);
}

bool logs(LogLevel level) noexcept {
  return static_cast<int32_t>(level) >= least_level.load(std::memory_order_relaxed);
}

void write_log(LogLevel level, std::string message) {
  // An error's message, which others may have written, can have any bytes.
  std::ranges::replace_if(message, [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
  std::shared_ptr<const LogCallback> callback;
  {
    Target& t = target();
    const std::lock_guard lock(t.mutex);
    callback = t.callback;
  }
  if (callback) (*callback)(level, message);
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
