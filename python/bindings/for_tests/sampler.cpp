// head_stats and token_stats for NumPy arrays, the random draws, and the parts of the denoising loop.
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>

#include "core/check.h"
#include "core/random.h"
#include "diffusion/canvas.h"
#include "diffusion/entropy_bound_sampler.h"
#include "diffusion/stopping.h"
#include "diffusion/temperature_schedule.h"
#include "for_tests.h"
#include "ops/head_stats.h"
#include "ops/token_stats.h"

namespace gesso::bindings {
namespace {

using diffusion::Canvas;
using diffusion::Stopping;
using Key = std::tuple<uint64_t, int64_t, int32_t>;  // seed, position, step

size_t checked_num_top(const char* op, std::optional<size_t> num_top) {
  ops::check_num_top(op, num_top.value_or(0));
  return num_top.value_or(0);
}

// The statistics of rows, for an op to write. What only some callers ask for is there with num_top.
struct Stats {
  Stats(const char* op, size_t num_rows, std::optional<size_t> num_top)
      : entropy(num_rows, -1.0f),
        argmax(num_rows, -1),
        sampled(argmax),
        log_sum(num_top ? num_rows : 0, -1.0f),
        top(checked_num_top(op, num_top) * num_rows, {-1.0f, -2}),
        has_more(num_top) {}

  ops::TokenStats view(Call& call) {
    return {call.array(entropy), call.array(argmax), call.array(sampled), call.array(log_sum), call.array(top)};
  }
  void append(nb::list& results) const {
    results.append(copy_to_numpy<float>(entropy));
    results.append(copy_to_numpy<int32_t>(argmax));
    results.append(copy_to_numpy<int32_t>(sampled));
  }
  // log_sum [R], and of the top tokens z and id [R, M].
  void append_more(nb::list& results) const {
    if (!has_more) return;
    std::vector<float> z;
    std::vector<int32_t> ids;
    for (const ops::TopToken& token : top) {
      z.push_back(token.z);
      ids.push_back(token.token);
    }
    const auto num_rows = static_cast<int64_t>(log_sum.size());
    const int64_t num_top = num_rows > 0 ? static_cast<int64_t>(top.size()) / num_rows : 0;
    results.append(copy_to_numpy<float>(log_sum));
    results.append(rows_to_numpy(MatrixView<const float>(z.data(), num_rows, num_top)));
    results.append(rows_to_numpy(MatrixView<const int32_t>(ids.data(), num_rows, num_top)));
  }

  std::vector<float> entropy;
  std::vector<int32_t> argmax, sampled;
  std::vector<float> log_sum;
  std::vector<ops::TopToken> top;
  bool has_more;
};

nb::tuple token_stats(Rows logits, float temperature, const std::vector<Key>& keys, std::optional<size_t> num_top,
                      int num_threads) {
  Call call(num_threads);
  Output z(to_matrix(logits));
  std::vector<DrawKey> draw_keys;
  for (const auto& [seed, position, step] : keys) draw_keys.push_back({seed, position, step});
  Stats stats("token_stats", logits.shape(0), num_top);
  ops::token_stats(call.context(), {.logits = call.output(z),
                                    .temperature = temperature,
                                    .keys = call.staged(draw_keys),
                                    .stats = stats.view(call)});
  call.finish();
  nb::list results;
  results.append(z.finish());
  stats.append(results);
  stats.append_more(results);
  return nb::tuple(results);
}

// `table` is the embedding table; None means that the head's weight is also the table. Each row has a key and a
// temperature.
nb::tuple head_stats(Rows x, Stored head, std::optional<Stored> table, float cap, float embed_scale,
                     const std::vector<float>& temperatures, const std::vector<Key>& keys, std::optional<Stored> scale,
                     double left_out_share, std::optional<size_t> num_top, int num_threads) {
  Call call(num_threads);
  check(temperatures.size() == keys.size(), "head_stats: ", temperatures.size(), " temperatures and ", keys.size(),
        " keys");
  std::vector<ops::HeadRow> rows;
  for (size_t r = 0; r < keys.size(); ++r) {
    const auto& [seed, position, step] = keys[r];
    rows.push_back({{seed, position, step}, temperatures[r]});
  }
  const Weight weight{call.tensor(head), call.tensor(scale)};
  const Tensor embedding = table ? call.tensor(*table) : weight.values;
  const int64_t num_rows = x.shape(0);
  Output soft_embedding(num_rows, embedding.shape.last());
  Stats stats("head_stats", x.shape(0), num_top);
  ops::head_stats(call.context(), {.x = call.matrix(x),
                                   .head = weight,
                                   .table = embedding,
                                   .cap = cap,
                                   .embed_scale = embed_scale,
                                   .rows = call.staged(rows),
                                   .stats = stats.view(call),
                                   .soft_embedding = call.output(soft_embedding),
                                   .left_out_share = left_out_share});
  call.finish();
  nb::list results;
  stats.append(results);
  results.append(soft_embedding.finish());
  stats.append_more(results);
  return nb::tuple(results);
}

auto uniform_ids(uint64_t seed, const std::vector<int64_t>& positions, int32_t step, Draw draw, int64_t vocab_size) {
  std::vector<int32_t> ids;
  for (int64_t position : positions) ids.push_back(uniform_id({seed, position, step}, draw, vocab_size));
  return copy_to_numpy<int32_t>(ids);
}

// Returns the noise of each token, as token_stats adds it to z.
auto gumbel_noise(uint64_t seed, int64_t position, int32_t step, int64_t vocab_size) {
  std::vector<float> noise;
  for (int64_t v = 0; v < vocab_size; ++v) {
    noise.push_back(gumbel(draw_words({seed, position, step}, Draw::kSample, static_cast<uint32_t>(v / 4))[v % 4]));
  }
  return copy_to_numpy<float>(noise);
}

// Makes a canvas of which only the pinned positions matter.
Canvas pinned_canvas(size_t length, const std::vector<int64_t>& pinned_positions) {
  PinnedTokens pinned;
  for (int64_t position : pinned_positions) {
    check(position >= 0 && position < static_cast<int64_t>(length), "pinned position ", position,
          " outside the canvas");
    pinned[position] = 0;
  }
  return Canvas(static_cast<int64_t>(length), 1, 0, 0, {}, pinned);
}

auto accept(const std::vector<float>& entropies, const std::vector<int64_t>& pinned_positions, float entropy_bound) {
  const Canvas canvas = pinned_canvas(entropies.size(), pinned_positions);
  return nb::cast(copy_to_numpy<uint8_t>(diffusion::accept(canvas, entropies, entropy_bound))).attr("astype")("bool");
}

float mean_entropy(const std::vector<float>& entropies, const std::vector<int64_t>& pinned_positions) {
  return diffusion::mean_entropy(pinned_canvas(entropies.size(), pinned_positions), entropies);
}

void bind_draws(nb::module_& module) {
  nb::enum_<Draw>(module, "Draw")
      .value("INITIAL_CANVAS", Draw::kInitialCanvas)
      .value("RENOISE", Draw::kRenoise)
      .value("SAMPLE", Draw::kSample);
  module.def("philox", &philox, "counter"_a, "key"_a, "Philox4x32-10: four words from a counter of four and a key.");
  module.def("uniform_ids", uniform_ids, "seed"_a, "positions"_a, "step"_a, "draw"_a, "vocab_size"_a,
             "The uniform random ids [positions] of a Draw; int32.");
  module.def("gumbel", gumbel_noise, "seed"_a, "position"_a, "step"_a, "vocab_size"_a,
             "The noise [V] whose sum with z has the sampled token as its argmax; float32.");
}

void bind_canvas(nb::module_& module) {
  const auto owned = nb::rv_policy::move;  // the arrays own their memory
  nb::class_<Canvas>(module, "Canvas")
      .def(nb::init<int64_t, int64_t, uint64_t, int64_t, const std::vector<int32_t>&, PinnedTokens>(),
           "canvas_length"_a, "vocab_size"_a, "seed"_a = 0, "first_position"_a = 0,
           "warm_start"_a = std::vector<int32_t>(), "pinned"_a = PinnedTokens())
      .def(
          "renoise",
          [](Canvas& self, const std::vector<uint8_t>& accepted, const std::vector<int32_t>& sampled, int64_t step) {
            self.renoise(accepted, sampled, step);
          },
          "accepted"_a, "sampled"_a, "step"_a)
      .def_prop_ro(
          "ids", [](const Canvas& self) { return copy_to_numpy<int32_t>(self.ids); }, owned)
      .def_prop_ro("argmax", [](const Canvas& self) { return copy_to_numpy<int32_t>(self.argmax); }, owned);
  nb::class_<Stopping>(module, "Stopping")
      .def(
          "__init__",
          [](Stopping* self, int64_t stability_threshold, float confidence_threshold) {
            GenerationDefaults settings;
            settings.stability_threshold = stability_threshold;
            settings.confidence_threshold = confidence_threshold;
            new (self) Stopping(settings);
          },
          "stability_threshold"_a, "confidence_threshold"_a)
      .def("update", &Stopping::update, "argmax"_a, "mean_entropy"_a);
}

}  // namespace

void bind_sampler(nb::module_& module) {
  bind_draws(module);
  bind_canvas(module);
  module.def(
      "token_stats", token_stats, "logits"_a, "temperature"_a, "keys"_a, nb::kw_only(), "num_top"_a = nb::none(),
      num_threads(),
      "z, entropy, argmax and draw of logits [R, V]; keys are R tuples (seed, position, step). With num_top also "
      "the log-sum, and z and id of so many top tokens.");
  module.def("head_stats", head_stats, "x"_a, "head"_a, "table"_a.none(), "cap"_a, "embed_scale"_a, "temperatures"_a,
             "keys"_a, "scale"_a.none() = nb::none(), nb::kw_only(), "left_out_share"_a = ops::kExactShare,
             "num_top"_a = nb::none(), num_threads(),
             "Entropy, argmax, draw and soft embedding of rows [R, D]; keys and num_top are as token_stats has them.");
  module.def("accept", accept, "entropies"_a, "pinned_positions"_a, "entropy_bound"_a, "bool [C].");
  module.def("mean_entropy", mean_entropy, "entropies"_a, "pinned_positions"_a);
  module.def("temperature", &diffusion::temperature, "t_min"_a, "t_max"_a, "step"_a, "max_denoising_steps"_a);
}

}  // namespace gesso::bindings
