// Writes messages for gesso/log.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/check.h"
#include "gesso/log.h"

namespace gesso {

// Whether somebody wants messages of this level. It is one atomic read.
bool logs(LogLevel level) noexcept;
void write_log(LogLevel level, std::string message);

// Logs what `text()` returns, if it is not empty. It is only called if somebody wants messages of this level. Nothing
// is thrown: a message is not worth a failure. No lock may be held that a callback may want.
template <typename Text>
void log_message(LogLevel level, const Text& text) noexcept {
  if (!logs(level)) return;
  try {
    write_log(level, text());
  } catch (...) {
  }
}

// How long something takes, for a message.
class LogTimer {
 public:
  std::string text() const;

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// For people: "1.31 s", "23.4 ms".
std::string time_text(double seconds);
// For people: "16.22 GB", "7.7 MB", "512 bytes".
std::string size_text(int64_t bytes);
// "1 canvas", "2 canvases": the plural is `plural`, or `singular` with an s.
std::string count_text(int64_t count, const char* singular, const char* plural = nullptr);

}  // namespace gesso
