// Requests at random, and what they write when they run alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gesso/engine.h"
#include "gesso/model.h"

namespace gesso::tests {

using Ids = std::vector<int32_t>;

// The same numbers on every system: the distributions of the standard library are not.
class Random {
 public:
  explicit Random(uint64_t seed) : words_(seed) {}

  int64_t below(int64_t count) { return static_cast<int64_t>(words_() % static_cast<uint64_t>(count)); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }

 private:
  std::mt19937_64 words_;
};

// All that the steps of a request have shown, one after the other.
struct Trace {
  std::vector<int32_t> argmax;
  std::vector<float> entropies;
  int64_t num_steps = 0;
};

// Texts that begin alike: each prompt is the beginning of one of them, and most have some tokens of their own.
std::vector<Ids> random_texts(Random& random, const ModelConfig& config);

struct RandomRequest {
  Ids ids;
  RequestOptions options;
  int64_t stop_after = 0, throw_after = 0;  // what on_step does at that many steps; 0: it does not
  std::shared_ptr<Trace> trace = std::make_shared<Trace>();

  // The options with an on_step that fills a new trace.
  RequestOptions traced_options();
};

// Its text and canvases fit the context behind `length` tokens.
RandomRequest random_request(Random& random, const ModelConfig& config, const std::vector<Ids>& texts, int64_t length);

// How a request ended: with a result, or with the text of an error.
struct Outcome {
  Result result;
  std::string error;
  Trace trace;
};

// What Model::generate writes behind `before` and the request's ids.
Outcome run_alone(const Model& model, RandomRequest request, const Ids& before = {});
// Waits for the request. `wanted` is what it was submitted as.
Outcome outcome_of(const Request& request, const RandomRequest& wanted);

// Empty if `got` is what the request writes alone, bit for bit, or says what differs. A request that was cancelled or
// late may have ended before; then it must have the beginning.
std::string compare(const Outcome& got, const Outcome& alone, bool was_cancelled, bool has_deadline);

}  // namespace gesso::tests
