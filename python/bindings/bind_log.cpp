// Python's logger "gesso" gets the library's messages.
#include <nanobind/nanobind.h>

#include <optional>
#include <string>

#include "bindings.h"
#include "gesso/log.h"

namespace gesso::bindings {
namespace {

constexpr struct {
  LogLevel level;
  int number;  // of Python's module logging
} kLevels[] = {{LogLevel::kDebug, 10}, {LogLevel::kInfo, 20}, {LogLevel::kWarning, 30}};

// Returns None where the program has not imported logging: then nobody can have asked for messages. Importing it here
// would take time. The logger is never given up, since a thread may still log while Python ends.
nb::handle find_logger() {
  static nb::handle logger;
  if (logger) return logger;
  const nb::object logging = nb::steal(PyImport_GetModule(nb::str("logging").ptr()));
  if (!logging) return nb::handle();
  nb::object found = logging.attr("getLogger")("gesso");
  found.attr("addHandler")(logging.attr("NullHandler")());  // so that Python does not print what nobody wants
  return logger = found.release();
}

std::optional<LogLevel> least_level(nb::handle logger) {
  for (const auto& each : kLevels) {
    if (nb::cast<bool>(logger.attr("isEnabledFor")(each.number))) return each.level;
  }
  return std::nullopt;
}

void write(nb::handle logger, LogLevel level, const std::string& message) {
  const HoldGil hold;
  try {
    for (const auto& each : kLevels) {
      if (each.level != level) continue;
      const nb::object text = nb::steal(PyUnicode_DecodeUTF8(message.data(), std::ssize(message), "replace"));
      call_python(logger.attr("log"), nb::int_(each.number), nb::str("%s"), text);
    }
  } catch (nb::python_error& error) {
    if (error.matches(PyExc_KeyboardInterrupt)) {
      PyErr_SetInterrupt();  // Ctrl-C is meant for the call that logs, which sees it at its next poll
    } else {
      error.discard_as_unraisable("gesso's log");
    }
  }
}

}  // namespace

void follow_logger() {
  static std::optional<LogLevel> followed;
  const nb::handle logger = find_logger();
  if (!logger) return;
  const std::optional<LogLevel> least = least_level(logger);
  if (least == followed) return;
  followed = least;
  if (!least) {
    set_log_callback({});
    return;
  }
  set_log_callback([logger](LogLevel level, const std::string& message) { write(logger, level, message); }, *least);
}

}  // namespace gesso::bindings
