// What the tests of the engine share.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "gesso/engine.h"
#include "gesso/model.h"
#include "tiny_checkpoint.h"

namespace gesso::tests {

using Ids = std::vector<int32_t>;

inline Model tiny_model(const TinySizes& sizes = {}) { return Model(TinyCheckpoint(sizes).get(), {"cpu", 1}); }

// Each canvas takes `steps` steps, unless it holds an end token.
inline RequestOptions canvases(int64_t count, int64_t steps = 3, uint64_t seed = 0) {
  RequestOptions options;
  options.generation.max_new_tokens = count * TinySizes().canvas;
  options.generation.max_denoising_steps = steps;
  options.generation.confidence_threshold = 0.0f;
  options.generation.end_token_ids = Ids{};
  options.generation.seeds = {seed};
  return options;
}

inline EngineOptions without_thread(int64_t max_running = 0) {
  EngineOptions options;
  options.has_thread = false;
  options.max_running = max_running;
  options.memory_bytes = int64_t{1} << 26;
  return options;
}

inline EngineOptions with_thread(int64_t max_running = 0) {
  EngineOptions options = without_thread(max_running);
  options.has_thread = true;
  return options;
}

inline Result alone(const Model& model, const Ids& prompt, const RequestOptions& options) {
  return model.generate({prompt}, options.generation).results[0];
}

inline void check_same(const Result& got, const Result& expected) {
  CHECK(got.prompt == expected.prompt);
  CHECK(got.ids == expected.ids);
  CHECK(got.canvases == expected.canvases);
  CHECK(got.denoising_steps == expected.denoising_steps);
  CHECK(got.finish_reason == expected.finish_reason);
}

// It ended after `count` whole canvases.
inline void check_beginning(const Result& got, const Result& whole, size_t count, FinishReason reason) {
  CHECK(got.finish_reason == reason);
  CHECK(got.canvases == std::vector(whole.canvases.begin(), whole.canvases.begin() + count));
  CHECK(got.ids == Ids(whole.ids.begin(), whole.ids.begin() + count * TinySizes().canvas));
  CHECK(got.usage.completion_tokens == std::ssize(got.ids));
}

// Lets one thread wait until another one has come to a place.
class Gate {
 public:
  void open() { is_open_ = true; }
  void pass() const {
    while (!is_open_) std::this_thread::yield();
  }

 private:
  std::atomic<bool> is_open_ = false;
};

}  // namespace gesso::tests
