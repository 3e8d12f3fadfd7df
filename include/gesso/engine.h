// An engine serves many requests at once: every pass over the weights computes whatever rows are ready.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "gesso/export.h"
#include "gesso/generation.h"
#include "gesso/model.h"

namespace gesso {

struct EngineOptions {
  // How many requests have a place in the passes at a time. 0, or a number that is too large: as many as their canvases
  // fit a pass. That is 8 canvases of 256 tokens on a GPU, and 1 on the CPU.
  int64_t max_running = 0;
  // How many requests may wait for a place. More are refused with QueueFull.
  int64_t max_queued = 1024;
  // What the caches of all requests that have a place, or had one, may take. Each counts with the most that it can come
  // to. So a request that has begun always has the memory to end. 0: half of the memory that is free when the engine is
  // made.
  int64_t memory_bytes = 0;
  // What is kept of prompts for later requests that begin in the same way: keys and values. 0: nothing. Negative: a
  // quarter of memory_bytes, which then are not for the requests' caches.
  int64_t prefix_bytes = -1;
  // Whether the engine runs its passes on a thread of its own. Otherwise run_once() runs them, and so do
  // Request::wait() and result().
  bool has_thread = true;
};

// ArgumentError if the options are wrong for one sequence of the model, whatever its prompt is.
GESSO_API void check_options(const GenerationOptions& options, const Model& model);

struct RequestOptions {
  // The options of one sequence. The callbacks run on the thread that runs the passes. A callback that returns false
  // ends this request alone; its canvas is committed as it stands. `interrupted` is not used: see Request::cancel().
  GenerationOptions generation;
  // In seconds from submit(), > 0. When it passes before the first canvas is done, the request ends with
  // DeadlineExceeded. Later the result has the canvases that are done.
  std::optional<double> deadline;
  int priority = 0;          // a request with a higher one gets a place first
  std::string key;           // whose request it is: the keys that wait share the passes equally
  bool keep_events = false;  // whether Request::next() is used
  // Called when Request::next() has something new, and when the request has ended, on the thread that runs the passes.
  // Who waits for many requests need not wait in a thread for each. It must not throw.
  std::function<void()> on_news;
};

// What a request has come to. It owns its data.
struct RequestEvent {
  enum class Kind { kStep, kCanvas, kEnd };
  Kind kind = Kind::kEnd;
  int64_t canvas = 0;  // index among the request's canvases
  // kStep: as in StepEvent. If events are not taken fast enough, only the newest step of several is kept.
  int64_t step = 0, max_denoising_steps = 0;
  float mean_entropy = 0;
  std::vector<uint8_t> accepted;
  std::vector<float> entropies;
  // kCanvas: as in CanvasEvent.
  int64_t denoising_steps = 0;
  bool finished = false;
  int64_t text_length = 0;
  std::vector<int32_t> ids;  // kStep: the argmax; kCanvas: the committed ids
};

// A request that was submitted. Copies stand for the same request. Any thread may use it. It may outlive its engine,
// which ends all requests when it is closed.
class GESSO_API Request {
 public:
  // Ends the request. Its result has the canvases that are done by then; a canvas under way is dropped. It takes effect
  // before the next pass, and at once when no other request takes part in the pass under way.
  void cancel() const;
  bool is_done() const;
  // Waits until the request has ended, for at most `seconds`. Returns whether it has. BusyError in a callback of the
  // engine, which would wait for itself.
  bool wait(std::optional<double> seconds = std::nullopt) const;
  // Waits for the end. Returns the result, or throws the error that ended the request: DeadlineExceeded, NumericsError,
  // OutOfMemory, CudaError, or what a callback threw.
  Result result() const;
  // Waits for the next event, for at most `seconds`. Behind the end, and when none came, it returns nullopt.
  // ArgumentError unless keep_events was set.
  std::optional<RequestEvent> next(std::optional<double> seconds = std::nullopt) const;

 private:
  friend class Engine;
  struct GESSO_HIDDEN Impl;
  explicit Request(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// What an engine has done since it was made, and what it holds now.
struct EngineCounters {
  int64_t passes = 0;
  // Rows that passes have computed: of canvases, of prompts, and of committed canvases that were encoded.
  int64_t canvas_rows = 0, prompt_rows = 0, committed_rows = 0;
  int64_t canvases = 0, denoising_steps = 0;  // canvases that were committed, and the steps that they took
  int64_t submitted = 0, refused = 0;         // refused: QueueFull
  // Requests that have ended, by how: Result::finish_reason, DeadlineExceeded, or another error.
  int64_t stopped = 0, full_length = 0, cancelled = 0, late = 0, exceeded = 0, failed = 0;
  int64_t waiting = 0, running = 0;            // now
  double wait_seconds = 0;                     // from submit to the first place, of all requests that got one
  double first_canvas_seconds = 0;             // from submit to the first canvas, of all requests that came to one
  int64_t begun = 0, had_first_canvas = 0;     // how many requests these two are of
  double pass_seconds = 0;                     // of all passes
  int64_t cache_bytes = 0, prefix_bytes = 0;   // now: the caches of running requests, and what is kept of prompts
  int64_t prefix_hits = 0, prefix_misses = 0;  // requests that began with something that was kept, and others
  int64_t prefix_hit_tokens = 0;               // tokens that were not encoded again
};

// Requests join and leave between any two passes. A canvas that has settled leaves at once, and what stands before a
// canvas is encoded in the pass of its first step, where it fits. A request's text is bit for bit the one that
// Model::generate writes. Threads: any number of threads may call an engine, and callbacks may submit and cancel. In a
// process that was forked from the engine's, the engine and its requests throw Error, close() returns true, and nothing
// is freed: their locks may be held forever there. Make another engine.
class GESSO_API Engine {
 public:
  // ArgumentError for bad options, OutOfMemory, Error if the system has no thread for it.
  explicit Engine(const Model& model, const EngineOptions& options = {});
  ~Engine();  // as close(), but it does not wait where a close(seconds) has returned false
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // Continues a prompt of at least one token. ArgumentError for bad ids and options, OutOfMemory when the request's
  // cache would be larger than memory_bytes, QueueFull.
  Request submit(std::vector<int32_t> prompt, const RequestOptions& options = {});
  // Appends `ids` to a session of batch size 1 and continues it, as Session::generate does. Until the request has ended
  // the session is busy. Afterwards it holds what was generated; if the request ends with an error, it is as before.
  // The session and the engine must be of the same model.
  Request submit(Session& session, std::vector<int32_t> ids, const RequestOptions& options = {});

  // Runs one pass on the calling thread. Returns whether there was anything to do. ArgumentError if the engine has a
  // thread of its own, BusyError while another thread runs a pass, and in a callback.
  bool run_once();
  // Waits until all requests have ended, for at most `seconds`. Returns whether they have.
  bool drain(std::optional<double> seconds = std::nullopt);
  // Ends all requests as cancel() does, and the engine's thread. From now on submit() throws ArgumentError. Waits for
  // at most `seconds` until nothing of the engine runs any more, and returns whether that is so: a callback that does
  // not return holds it up. In a callback of the engine it returns true at once, and the rest follows behind the pass.
  bool close(std::optional<double> seconds = std::nullopt);
  // How many requests have a place in the passes at a time.
  int64_t max_running() const;
  EngineCounters counters() const;
  // Forgets what is kept of prompts, at the latest before the next pass.
  void forget_prefixes();

 private:
  friend class Request;
  struct GESSO_HIDDEN Impl;
  GESSO_HIDDEN std::shared_ptr<Impl> kept(const char* call) const;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gesso
