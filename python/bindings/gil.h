// The GIL, in a process that may end while one of its threads is inside a native call.
//
// When Python ends, it does not wait for daemon threads. Up to Python 3.13, a daemon thread that then asks for the GIL
// is ended by pthread_exit. With glibc that unwinds the thread's stack like an exception. It would end in
// std::terminate, because it cannot leave a destructor, nor the functions of nanobind. So here such a thread sleeps
// until the process has ended, as it does in later versions of Python.
#pragma once

#include <Python.h>
#include <cxxabi.h>

#include <chrono>
#include <thread>
#include <utility>

namespace gesso::bindings {

[[noreturn]] inline void sleep_until_the_end() {
  while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Returns body(), which may ask for the GIL or run Python code. Objects that `body` owns would be given up without the
// GIL if the thread is ended in there, so it should own few.
template <typename Body>
auto outlive_python(const Body& body) {
#ifdef __GLIBCXX__
  try {
    return body();
  } catch (const abi::__forced_unwind&) {  // pthread_exit; the handler must not be left
    sleep_until_the_end();
  }
#else
  return body();
#endif
}

// Releases the GIL from the constructor to the destructor. Once Python has begun to end, only the thread that ends it
// runs Python code. That thread keeps the GIL, for example when it collects an object whose __del__ generates.
class ReleaseGil {
 public:
  ReleaseGil() {
    if (Py_IsInitialized()) state_ = PyEval_SaveThread();
    outer_ = std::exchange(keeps_gil_, state_ == nullptr);
  }
  ~ReleaseGil() {
    keeps_gil_ = outer_;
    if (!state_) return;
    if (!Py_IsInitialized()) sleep_until_the_end();
    outlive_python([this] { PyEval_RestoreThread(state_); });
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

  // Whether this thread is inside a ReleaseGil that has kept the GIL.
  static bool keeps_gil() { return keeps_gil_; }

 private:
  static inline thread_local bool keeps_gil_ = false;
  PyThreadState* state_ = nullptr;
  bool outer_ = false;
};

// Holds the GIL from the constructor to the destructor. It is for callbacks, on a thread that has released the GIL.
class HoldGil {
 public:
  HoldGil() {
    if (ReleaseGil::keeps_gil()) return;
    if (!Py_IsInitialized()) sleep_until_the_end();
    state_ = outlive_python([] { return PyGILState_Ensure(); });
    holds_ = true;
  }
  ~HoldGil() {
    if (holds_) PyGILState_Release(state_);
  }
  HoldGil(const HoldGil&) = delete;
  HoldGil& operator=(const HoldGil&) = delete;

 private:
  PyGILState_STATE state_ = {};
  bool holds_ = false;
};

}  // namespace gesso::bindings
