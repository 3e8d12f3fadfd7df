// A caller's `interrupted` is asked within ops, and ends them on all threads. To ask takes these callers as long as the
// time between two questions, so each opportunity to ask is used, however fast the machine is.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/threads/threads.h"
#include "cpu/products/int8_product.h"
#include "cpu/vocabulary/soft_sums.h"
#include "gesso/model.h"
#include "ops/attention.h"
#include "quant/integers.h"
#include "tiny_checkpoint.h"

namespace gesso {
namespace {

using tests::TinyCheckpoint;
using tests::TinySizes;

// A caller that is asked, and says stop at the question `last`; 0: never.
class Caller {
 public:
  explicit Caller(int num_threads, int last = 0) : last_(last) {
    context_.num_threads = num_threads;
    context_.activations = ActivationType::kInt8;
    context_.interrupted = question();
    std::this_thread::sleep_for(kPollInterval);  // a test before may have asked just now
  }
  const Context& context() const { return context_; }
  std::function<bool()> question() {
    return [this] {
      CHECK(std::this_thread::get_id() == thread_);
      std::this_thread::sleep_for(kPollInterval);
      return ++num_questions_ == last_;
    };
  }
  int num_questions() const { return num_questions_; }

 private:
  Context context_;
  std::thread::id thread_ = std::this_thread::get_id();
  int last_, num_questions_ = 0;
};

// Goes on until it is stopped, or for 20 seconds.
void wait_for_stop(const JobPoll& poll) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) poll();
}

TEST_CASE("a job on one thread asks before each run of indices") {
  Caller caller(1, 5);
  int num_calls = 0;
  CHECK_THROWS_AS(parallel_for(caller.context(), 1000, kMinOperationsPerThread, [&](int64_t) { ++num_calls; }),
                  Interrupted);
  CHECK(num_calls == 4);
}

TEST_CASE("a job with long indices asks within them, and all threads have left them when it throws") {
  for (int num_threads : {1, 3}) {
    Caller caller(num_threads, 5);
    std::atomic<int> num_calls = 0, num_ended = 0;
    const auto body = [&](int64_t, const JobPoll& poll) {
      ++num_calls;
      CHECK_THROWS_AS(wait_for_stop(poll), Interrupted);
      ++num_ended;
      throw Interrupted();
    };
    CHECK_THROWS_AS(parallel_for(caller.context(), 1000, kMinOperationsPerThread, body), Interrupted);
    CHECK(caller.num_questions() == 5);
    CHECK(num_calls <= num_threads);
    CHECK(num_ended == num_calls);
  }
}

TEST_CASE("an exception stops the other threads, and is the one that comes out") {
  Context context;
  context.num_threads = 3;
  const auto body = [&](int64_t i, const JobPoll& poll) {
    if (i == 0) throw std::out_of_range("0");
    wait_for_stop(poll);
  };
  CHECK_THROWS_AS(parallel_for(context, 1000, kMinOperationsPerThread, body), std::out_of_range);
}

TEST_CASE("a caller is not asked more often than the interval says") {
  Context context;
  int64_t num_questions = 0;
  context.interrupted = [&] { return ++num_questions, false; };
  const auto start = std::chrono::steady_clock::now();
  parallel_for(context, 100'000, kMinOperationsPerThread, [](int64_t) {});
  const auto elapsed = std::chrono::steady_clock::now() - start;
  CHECK(num_questions <= 1 + elapsed / kPollInterval);
}

TEST_CASE("attention asks at each block of keys") {
  constexpr int64_t kKeys = 640, kDim = 8;
  const std::vector<float> rows(kKeys * kDim, 0.5f);
  std::vector<float> out(kDim);
  const auto* bytes = reinterpret_cast<const std::byte*>(rows.data());
  const std::vector<ops::AttentionSequence> sequences = {{0, 1, kKeys - 1, bytes, bytes, 0, kKeys}};
  ops::KeyValueLayout layout{{.num_key_value_heads = 1, .head_dim = kDim, .num_rotated = kDim / 2}};
  Caller caller(1);
  ops::attention(caller.context(), {.q = {rows.data(), 1, kDim},
                                    .layout = layout,
                                    .mode = ops::AttentionMode::kCausal,
                                    .window = 0,
                                    .sequences = {sequences, sequences.data()},
                                    .out = {out.data(), 1, kDim}});
  CHECK(caller.num_questions() >= kKeys / 64);
  CHECK(out == std::vector<float>(kDim, 0.5f));
}

TEST_CASE("a soft embedding of many tokens asks at each tile of them") {
  constexpr int64_t kTokens = 640, kColumns = 8, kTileTokens = 128;
  const std::vector<float> values(kTokens * kColumns, 0.5f), z(kTokens, 1.0f);
  std::vector<float> out(kColumns);
  const Tensor table{reinterpret_cast<const std::byte*>(values.data()), DType::kF32, {kTokens, kColumns}};
  Caller caller(1);
  cpu::SoftSums soft(caller.context(), table, 1, 0.0);
  soft.take(0, z.data(), kTokens, 0, nullptr);
  soft.finish(1.0f, {out.data(), 1, kColumns});
  CHECK(caller.num_questions() >= kTokens / kTileTokens);
  CHECK(out[0] == doctest::Approx(0.5f));
}

TEST_CASE("a range of tiles of an int8 product asks at each tile") {
  constexpr int64_t kTiles = 6, kColumns = 64, kBlockBytes = 34;  // Q8_0: 32 elements in 34 bytes
  const std::vector<std::byte> weight(kTiles * cpu::kTileOutputs * kColumns / 32 * kBlockBytes);
  const std::vector<float> x(kColumns, 0.5f);
  std::vector<float> out(kTiles * cpu::kTileOutputs, 1.0f);
  const cpu::StoredMatrix matrix = {{weight.data(), DType::kQ8_0, {kTiles * cpu::kTileOutputs, kColumns}}};
  const quant::Integers& integers = *quant::find_integers(DType::kQ8_0);
  const cpu::Int8Rows packed = cpu::pack_int8({}, {x.data(), 1, kColumns}, integers);
  Caller caller(1);
  cpu::multiply_tiles({packed, nullptr, 1}, matrix, integers, {0, kTiles}, {out.data(), 1, std::ssize(out)},
                      cpu::Stores::kCached, JobPoll(caller.context()));
  CHECK(caller.num_questions() == kTiles);
  CHECK(out == std::vector<float>(out.size(), 0.0f));
}

TEST_CASE("an interrupted call leaves the session as it was, in the first op and in a later one") {
  TinySizes sizes;
  sizes.vocab = 301;
  for (int num_threads : {1, 2}) {
    const Model model(TinyCheckpoint(sizes).get(), {"cpu", num_threads});
    GenerationOptions options;
    options.max_new_tokens = sizes.canvas;
    options.max_denoising_steps = 2;
    options.end_token_ids = std::vector<int32_t>();
    const auto generate = [&](Session& session, const std::vector<int32_t>& ids) {
      session.generate({ids}, options);
      return session.ids(0);
    };
    Session fresh(model), session(model);
    const std::vector<int32_t> expected = generate(fresh, {5, 6, 7, 8});
    session.encode({{5, 6}});
    for (int last : {3, 70}) {
      Caller caller(num_threads, last);
      options.interrupted = caller.question();
      CHECK_THROWS_AS(generate(session, {7, 8}), Interrupted);
      CHECK(caller.num_questions() == last);
      CHECK(session.ids(0) == std::vector<int32_t>{5, 6});
      options.interrupted = {};
      CHECK(generate(session, {7, 8}) == expected);
      session.rewind({2});
    }
  }
}

}  // namespace
}  // namespace gesso
