// Python's logger "gesso" gets the library's messages. Those of the level warning are not among them: Python has
// warnings, and gesso.load makes one.
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "bindings.h"
#include "gesso/log.h"

namespace gesso::bindings {
namespace {

constexpr std::pair<int, LogLevel> kLevels[] = {{10, LogLevel::kDebug}, {20, LogLevel::kInfo}};  // logging.DEBUG, INFO
constexpr int kNothing = 0;

// How many calls of Python this thread is in, and what a handler of the logger has raised in the innermost.
thread_local int depth = 0;
thread_local std::exception_ptr failure;

// Returns none where the program has not imported logging: then nobody can have asked for messages. Importing it here
// would take time. The logger is never given up, since a thread may still log while Python ends.
nb::handle find_logger() {
  static nb::handle logger;
  if (logger) return logger;
  const nb::object logging = nb::steal(PyImport_GetModule(nb::str("logging").ptr()));
  // A program may have a module of its own with this name.
  if (!logging || !nb::hasattr(logging, "getLogger") || !nb::hasattr(logging, "NullHandler")) return {};
  nb::object found = logging.attr("getLogger")("gesso");
  if (!nb::isinstance(found, logging.attr("Logger"))) return {};
  if (logger) return logger;  // another thread was faster
  logger = found.release();
  logger.attr("addHandler")(logging.attr("NullHandler")());  // so that Python does not print what nobody wants
  return logger;
}

// The number of the lowest level that the logger lets through.
int least_of(nb::handle logger) {
  for (const auto& [number, level] : kLevels) {
    const nb::object answer = logger.attr("isEnabledFor")(number);
    if (PyObject_IsTrue(answer.ptr()) == 1) return number;
  }
  return kNothing;
}

// In a call of Python, what a handler raises ends the call, as it would in Python. It may come from a signal. On an
// engine's own thread nobody can get it, and Python says that it was ignored.
void write(nb::handle logger, int level, const std::string& message) {
  if (failure) return;
  const HoldGil hold;
  const nb::str name("log"), form("%s");
  const nb::int_ number(level);
  const nb::object text = nb::steal(PyUnicode_DecodeUTF8(message.data(), std::ssize(message), "replace"));
  if (!text) return PyErr_Clear();
  PyObject* given[] = {logger.ptr(), number.ptr(), form.ptr(), text.ptr()};
  PyObject* answer =
      outlive_python([&] { return PyObject_VectorcallMethod(name.ptr(), given, std::size(given), nullptr); });
  if (answer) {
    Py_DECREF(answer);
  } else if (depth > 0) {
    failure = std::make_exception_ptr(nb::python_error());
  } else {
    outlive_python([&] { PyErr_WriteUnraisable(logger.ptr()); });
  }
}

void follow_logger() {
  static std::atomic<int> followed = kNothing;
  static std::mutex changing;
  const nb::handle logger = find_logger();
  if (!logger) return;
  const int least = least_of(logger);
  if (least == followed) return;
  const ReleaseGil release;  // set_log_callback may wait for a thread that logs
  const std::lock_guard lock(changing);
  if (least == kNothing) {
    set_log_callback({});
  } else {
    const auto callback = [logger](LogLevel level, const std::string& message) {
      for (const auto& [number, of_number] : kLevels) {
        if (of_number == level) write(logger, number, message);
      }
    };
    set_log_callback(callback, least == kLevels[0].first ? LogLevel::kDebug : LogLevel::kInfo);
  }
  followed = least;
}

}  // namespace

LoggedCall::LoggedCall() : outer_(std::exchange(failure, nullptr)) {
  follow_logger();
  ++depth;
}

LoggedCall::~LoggedCall() {
  --depth;
  failure = outer_;
}

void raise_log_failure() {
  if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
}

}  // namespace gesso::bindings
