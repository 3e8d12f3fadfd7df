// What the binding files share. Each of them binds one public header.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "gesso/generation.h"
#include "gesso/options.h"
#include "gil.h"

namespace gesso::bindings {

namespace nb = nanobind;

void bind_errors(nb::module_& module);
void bind_bench(nb::module_& module);
void bind_checkpoint(nb::module_& module);
void bind_device(nb::module_& module);
void bind_engine(nb::module_& module);
void bind_generation(nb::module_& module);
void bind_gguf_writer(nb::module_& module);
void bind_imatrix(nb::module_& module);
void bind_limits(nb::module_& module);
void bind_model(nb::module_& module);
void bind_options(nb::module_& module);
void bind_presets(nb::module_& module);
void bind_quantize(nb::module_& module);
void bind_tokenizer(nb::module_& module);
void bind_weight_scales(nb::module_& module);

// A call of Python that may log. While the object lives, Python's logger "gesso" gets the messages that its level let
// through when the call began: a level may be changed at any time, and asking for it at each message would need the
// GIL.
class LoggedCall {
 public:
  LoggedCall();
  ~LoggedCall();
  LoggedCall(const LoggedCall&) = delete;
  LoggedCall& operator=(const LoggedCall&) = delete;

 private:
  std::exception_ptr outer_;
};
// Throws what a handler of the logger has raised on this thread in the innermost LoggedCall, if it has.
void raise_log_failure();

// Returns body(), which releases the GIL and may log.
template <typename Body>
auto logged(const Body& body) {
  const LoggedCall call;
  if constexpr (std::is_void_v<decltype(body())>) {
    body();
    raise_log_failure();
  } else {
    auto result = body();
    raise_log_failure();
    return result;
  }
}

// Makes options from their names and values. ArgumentError for a name that is not in the table; nb::cast_error for a
// value of another kind.
using OptionValues = nb::typed<nb::dict, nb::str, OptionValue>;
GenerationOptions options_from(const OptionValues& values);

// The events as Python has them, with arrays of their own.
nb::object to_python(const StepEvent& event);
nb::object to_python(const CanvasEvent& event);

// Keeps a Python object alive from C++, which may let go of it on any thread. It is released under the GIL, and when
// Python has ended, not at all.
inline std::shared_ptr<nb::object> keep_alive(nb::object object) {
  return std::shared_ptr<nb::object>(new nb::object(std::move(object)), [](nb::object* pointer) {
    if (!Py_IsInitialized()) return;
    const HoldGil hold;
    outlive_python([&] { delete pointer; });
  });
}

// Calls a Python function with the arguments. nb::python_error if it raises.
template <typename... Arguments>
nb::object call_python(nb::handle function, const Arguments&... arguments) {
  PyObject* given[] = {nullptr, arguments.ptr()...};  // the free place in front is what Python asks for
  PyObject* answer = outlive_python([&] {
    return PyObject_Vectorcall(function.ptr(), given + 1, sizeof...(arguments) | PY_VECTORCALL_ARGUMENTS_OFFSET,
                               nullptr);
  });
  if (!answer) throw nb::python_error();
  return nb::steal(answer);
}

// A Python function, or None. A type checker compares the function with Signature, for example Function<bool(int64_t)>.
template <typename Signature>
using Function = std::optional<nb::typed<nb::callable, Signature>>;

// Copies `values` into a new NumPy array [size]. It is meant for small per-position results.
template <typename T, typename Range>
nb::ndarray<nb::numpy, T, nb::ndim<1>> copy_to_numpy(const Range& values) {
  auto* owned = new std::vector<T>(values.begin(), values.end());
  nb::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
  return nb::ndarray<nb::numpy, T, nb::ndim<1>>(owned->data(), {owned->size()}, owner);
}

// Lets Ctrl-C end a native call: it runs Python's signal handlers, and throws what they raise (KeyboardInterrupt). It
// is called many times per pass. It takes the GIL only now and then, because another Python thread can make it wait for
// that.
inline bool poll_signals() {
  raise_log_failure();
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kInterval(50);
  thread_local Clock::time_point last;
  if (Clock::now() - last < kInterval) return false;
  last = Clock::now();
  HoldGil acquire;
  if (outlive_python([] { return PyErr_CheckSignals(); }) != 0) throw nb::python_error();
  return false;
}

// Calls wait(at_most), in seconds, until it returns true or `seconds` are over. It does so in slices, so that Ctrl-C
// ends it.
template <typename Wait>
bool wait_in_slices(std::optional<double> seconds, const Wait& wait) {
  using Clock = std::chrono::steady_clock;
  constexpr double kSlice = 0.05;
  const Clock::time_point start = Clock::now();
  for (;;) {
    const double passed = std::chrono::duration<double>(Clock::now() - start).count();
    const double left = seconds.value_or(std::numeric_limits<double>::infinity()) - passed;
    if (wait(std::min(left, kSlice))) return true;
    if (left <= kSlice) return false;
    poll_signals();
  }
}

}  // namespace gesso::bindings
