#include "gesso/engine.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "bindings.h"

namespace gesso::bindings {
namespace {

// So many seconds a callback gets to return, when an engine goes that nobody can wait for.
constexpr double kPatience = 1;

std::atomic<bool> python_ends = false;  // see end_engines
std::atomic<std::thread::id> ending_thread;

struct InCallback {
  InCallback() { ++depth; }
  ~InCallback() { --depth; }
  static inline thread_local int depth = 0;
};

// Calls an engine without the GIL, which the engine's thread needs for callbacks. While Python ends, and its engines
// are closed, the call of a daemon thread does not return. So that thread sees no engine that was closed under it. A
// call in a callback returns, because the engine waits for the callback.
template <typename Body>
auto call_engine(const Body& body) {
  struct Stay {
    ~Stay() {
      if (python_ends && ending_thread != std::this_thread::get_id() && InCallback::depth == 0) sleep_until_the_end();
    }
  };
  return logged([&] {
    const ReleaseGil release;
    const Stay stay;
    return body();
  });
}

// A callback of the request has raised an exception, which PyRequest has.
struct CallbackFailed : std::exception {
  const char* what() const noexcept override { return "a callback failed"; }
};

// `failure` is what the callbacks of the request raise, or None. The core does not have it, for Python's garbage
// collector has to see it: the traceback often leads back to the request.
struct PyRequest {
  Request request;
  std::shared_ptr<nb::object> failure;

  void cancel() const { request.cancel(); }

  bool is_done() const {
    return call_engine([&] { return request.is_done(); });
  }

  Result result() const {
    try {
      return call_engine([&] { return request.result(); });
    } catch (const CallbackFailed&) {
      PyErr_SetObject(failure->type().ptr(), failure->ptr());
      throw nb::python_error();
    }
  }

  bool wait(std::optional<double> seconds) const {
    return call_engine([&] { return wait_in_slices(seconds, [&](double slice) { return request.wait(slice); }); });
  }

  // None for the end, and when nothing came in time.
  nb::object next(std::optional<double> seconds) const {
    std::optional<RequestEvent> event;
    call_engine([&] {
      wait_in_slices(seconds, [&](double slice) {
        const bool was_done = request.is_done();
        event = request.next(slice);
        return event || was_done;
      });
    });
    if (!event || event->kind == RequestEvent::Kind::kEnd) return nb::none();
    const RequestEvent& e = *event;
    if (e.kind == RequestEvent::Kind::kCanvas) {
      return to_python(CanvasEvent{0, e.canvas, e.denoising_steps, e.finished, e.text_length, e.ids});
    }
    return to_python(
        StepEvent{0, e.canvas, e.step, e.max_denoising_steps, e.mean_entropy, e.ids, e.accepted, e.entropies});
  }
};

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  Py_VISIT(nb::inst_ptr<PyRequest>(self)->failure->ptr());
  return 0;
}

int clear(PyObject* self) {
  nb::object dropped = std::exchange(*nb::inst_ptr<PyRequest>(self)->failure, nb::none());
  return 0;
}

PyType_Slot request_slots[] = {
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)}, {Py_tp_clear, reinterpret_cast<void*>(clear)}, {0, nullptr}};

// Keeps what `callback` raises in `failure`. If a thread of Python runs the passes, Ctrl-C shows in a callback. It then
// ends the call of that thread, too.
template <typename Event>
void keep_failure(std::function<bool(const Event&)>& callback, const std::shared_ptr<nb::object>& failure,
                  bool has_thread) {
  if (!callback) return;
  callback = [inner = std::move(callback), failure, has_thread](const Event& event) {
    const InCallback in_callback;
    const HoldGil hold;
    try {
      return inner(event);
    } catch (const nb::python_error& error) {
      *failure = nb::borrow(error.value());
      if (!has_thread && error.matches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();
    }
    throw CallbackFailed();
  };
}

// on_news has nothing to return, and nobody gets what it raises: Python prints that.
std::function<void()> to_news(Function<nb::object()> callback) {
  if (!callback) return {};
  return [callback = keep_alive(*std::move(callback))] {
    const InCallback in_callback;
    const HoldGil hold;
    try {
      call_python(*callback);
    } catch (nb::python_error& error) {
      error.restore();
      outlive_python([&] { PyErr_WriteUnraisable(callback->ptr()); });
    }
  };
}

class PyEngine {
 public:
  PyEngine(std::unique_ptr<Engine> engine, bool has_thread) : engine_(std::move(engine)), has_thread_(has_thread) {}

  // When Python has ended, the engine's thread may sleep in a callback forever, so nobody waits for it. Before that a
  // callback may wait for what this thread would do next, so it gets some time only.
  ~PyEngine() {
    if (!is_closed_ && !Py_IsInitialized()) {
      static_cast<void>(engine_.release());
      return;
    }
    const ReleaseGil release;
    static_cast<void>(engine_->close(kPatience));
    engine_.reset();
  }

  Engine& get() const { return *engine_; }

  PyRequest submit(std::vector<int32_t> ids, Session* session, GenerationOptions generation,
                   std::optional<double> deadline, int priority, nb::bytes key, bool keep_events,
                   Function<nb::object()> on_news) {
    auto failure = keep_alive(nb::none());
    keep_failure(generation.on_step, failure, has_thread_);
    keep_failure(generation.on_canvas, failure, has_thread_);
    const RequestOptions options{.generation = std::move(generation),
                                 .deadline = deadline,
                                 .priority = priority,
                                 .key = std::string(key.c_str(), key.size()),
                                 .keep_events = keep_events,
                                 .on_news = to_news(std::move(on_news))};
    Engine& engine = get();
    return {call_engine([&] {
              return session ? engine.submit(*session, std::move(ids), options)
                             : engine.submit(std::move(ids), options);
            }),
            std::move(failure)};
  }

  void drain() const {
    call_engine([&] { wait_in_slices(std::nullopt, [&](double slice) { return get().drain(slice); }); });
  }

  bool close(std::optional<double> seconds) {
    const auto wait = [&](double slice) { return engine_->close(slice); };
    is_closed_ = call_engine([&] { return wait_in_slices(seconds, wait); });
    return is_closed_;
  }

 private:
  std::unique_ptr<Engine> engine_;
  bool has_thread_, is_closed_ = false;
};

// What is called when Python ends, before the engines are closed.
void end_engines() {
  ending_thread = std::this_thread::get_id();
  python_ends = true;
}

void bind_counters(nb::module_& module) {
  using C = EngineCounters;
  nb::class_<C>(module, "EngineCounters", "What an engine has done since it was made, and what it holds now.")
      .def_ro("passes", &C::passes)
      .def_ro("canvas_rows", &C::canvas_rows, "Rows of canvases that passes have computed.")
      .def_ro("prompt_rows", &C::prompt_rows, "Rows of prompts that passes have computed.")
      .def_ro("committed_rows", &C::committed_rows, "Rows of committed canvases that passes have encoded.")
      .def_ro("canvases", &C::canvases, "Canvases that were committed.")
      .def_ro("denoising_steps", &C::denoising_steps, "The steps that these took.")
      .def_ro("submitted", &C::submitted)
      .def_ro("refused", &C::refused, "Requests that were refused with QueueFull.")
      .def_ro("stopped", &C::stopped, "Requests that ended with \"stop\".")
      .def_ro("full_length", &C::full_length, "Requests that ended with \"length\".")
      .def_ro("cancelled", &C::cancelled, "Requests that ended with \"cancelled\".")
      .def_ro("late", &C::late, "Requests that ended with \"deadline\".")
      .def_ro("exceeded", &C::exceeded, "Requests that ended with DeadlineExceeded.")
      .def_ro("failed", &C::failed, "Requests that ended with another exception.")
      .def_ro("waiting", &C::waiting, "Requests that wait for a place now.")
      .def_ro("running", &C::running, "Requests that run now.")
      .def_ro("wait_seconds", &C::wait_seconds, "From submit to the first place, of all requests in `begun`.")
      .def_ro("first_canvas_seconds", &C::first_canvas_seconds,
              "From submit to the first canvas, of all requests in `had_first_canvas`.")
      .def_ro("begun", &C::begun, "Requests that got a place.")
      .def_ro("had_first_canvas", &C::had_first_canvas, "Requests that came to a first canvas.")
      .def_ro("pass_seconds", &C::pass_seconds, "The time of all passes.")
      .def_ro("cache_bytes", &C::cache_bytes, "What the caches of running requests take now.")
      .def_ro("prefix_bytes", &C::prefix_bytes, "What is kept of prompts now.")
      .def_ro("prefix_hits", &C::prefix_hits, "Requests that began with something that was kept.")
      .def_ro("prefix_misses", &C::prefix_misses, "Requests that began without.")
      .def_ro("prefix_hit_tokens", &C::prefix_hit_tokens, "Tokens that were not encoded again.")
      .def("__repr__", [](const C& c) {
        return nb::str("EngineCounters(submitted={}, waiting={}, running={}, passes={}, canvases={})")
            .format(c.submitted, c.waiting, c.running, c.passes, c.canvases);
      });
}

}  // namespace

void bind_engine(nb::module_& module) {
  bind_counters(module);
  nb::class_<PyRequest>(module, "Request", nb::type_slots(request_slots))
      .def("cancel", &PyRequest::cancel)
      .def("is_done", &PyRequest::is_done)
      .def("wait", &PyRequest::wait, nb::arg("seconds").none())
      .def("result", &PyRequest::result)
      .def("next", &PyRequest::next, nb::arg("seconds").none() = nb::none(),
           nb::sig("def next(self, seconds: float | None = None) -> StepEvent | CanvasEvent | None"),
           "The next event; None for the end, and when none came in time.");
  nb::class_<PyEngine>(module, "Engine")
      .def(
          "__init__",
          [](PyEngine* self, const Model& model, int64_t max_running, int64_t max_queued, int64_t memory_bytes,
             int64_t prefix_bytes, bool has_thread) {
            const EngineOptions options{max_running, max_queued, memory_bytes, prefix_bytes, has_thread};
            new (self) PyEngine(logged([&] {
                                  const ReleaseGil release;
                                  return std::make_unique<Engine>(model, options);
                                }),
                                has_thread);
          },
          nb::arg("model"), nb::arg("max_running"), nb::arg("max_queued"), nb::arg("memory_bytes"),
          nb::arg("prefix_bytes"), nb::arg("has_thread"))
      .def("submit", &PyEngine::submit, nb::arg("ids"), nb::arg("session").none(), nb::arg("options"),
           nb::arg("deadline").none(), nb::arg("priority"), nb::arg("key"), nb::arg("keep_events"),
           nb::arg("on_news") = nb::none())
      .def("run_once", [](PyEngine& self) { return call_engine([&] { return self.get().run_once(); }); })
      .def("drain", &PyEngine::drain)
      .def("close", &PyEngine::close, nb::arg("seconds").none(), "Returns whether nothing of it runs any more.")
      .def("counters", [](PyEngine& self) { return call_engine([&] { return self.get().counters(); }); })
      .def("forget_prefixes", [](PyEngine& self) { call_engine([&] { self.get().forget_prefixes(); }); })
      .def_prop_ro("max_running", [](PyEngine& self) { return self.get().max_running(); });
  module.def("check_options", &check_options, nb::arg("options"), nb::arg("model"),
             "Raises ArgumentError if the options are wrong for one sequence, whatever its prompt is.");
  module.attr("PATIENCE") = kPatience;
  module.def("end_engines", &end_engines,
             "Python ends: from now on the calls of other threads, which use engines, do not return.");
}

}  // namespace gesso::bindings
