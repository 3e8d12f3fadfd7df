#include "api/c/c_options.h"

#include <cstddef>
#include <limits>
#include <utility>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"
#include "diffusion/option_table.h"

namespace gesso::c {
namespace {

using diffusion::Ids;
using diffusion::Number;
using diffusion::Option;
using diffusion::Pinned;
using diffusion::Seeds;
using diffusion::Texts;
using diffusion::WarmCanvas;

// The struct of the first version ends with this field. Later ones are longer, and never shorter.
constexpr size_t kFirstOptionsSize = offsetof(gesso_options, user_data) + sizeof(gesso_options::user_data);
// Bytes behind the last field would hide a field that a later version has there.
static_assert(sizeof(gesso_options) == offsetof(gesso_options, num_stop) + sizeof(gesso_options::num_stop),
              "gesso_options: fill it up with a reserved field");
static_assert(sizeof(gesso_pin) == 32 && sizeof(gesso_ids) == 2 * sizeof(void*), "these structs never change");

// Marks every option that has a default as not set.
struct Unset {
  gesso_options& options;

  template <typename T>
  void operator()(const Number<T>& number) const {
    options.*number.in_c = -1;
  }
  // NULL, or the seed 0, which they are already.
  void operator()(const Ids&) const {}
  void operator()(const Seeds&) const {}
  void operator()(const WarmCanvas&) const {}
  void operator()(const Pinned&) const {}
  void operator()(const Texts&) const {}
};

gesso_options default_options() {
  gesso_options options = {};
  options.struct_size = sizeof options;
  for (const Option& option : diffusion::option_table()) std::visit(Unset{options}, option.member);
  return options;
}

// Shows the numbers that stand for those that are not set.
struct Shower {
  const GenerationDefaults& defaults;
  gesso_options& options;

  template <typename T>
  void operator()(const Number<T>& number) const {
    options.*number.in_c = defaults.*number.fallback;
  }
  void operator()(const auto&) const {}
};

std::vector<std::vector<PinnedTokens>> to_pinned(const std::vector<gesso_pin>& pins, int64_t batch_size,
                                                 int64_t num_canvases) {
  std::vector<std::vector<PinnedTokens>> pinned(static_cast<size_t>(batch_size));
  for (const gesso_pin& pin : pins) {
    check(pin.sequence >= 0 && pin.sequence < batch_size, "pins: expected a sequence from 0 to ", batch_size - 1,
          ", got ", pin.sequence);
    check(pin.canvas >= 0 && pin.canvas < num_canvases, "pins: expected a canvas from 0 to ", num_canvases - 1,
          ", got ", pin.canvas);
    using Id = std::numeric_limits<int32_t>;
    check(pin.id >= 0 && pin.id <= Id::max(), "pins: token id ", pin.id, " outside the vocabulary");
    std::vector<PinnedTokens>& canvases = pinned[static_cast<size_t>(pin.sequence)];
    const auto needed = static_cast<size_t>(pin.canvas) + 1;
    if (canvases.size() < needed) canvases.resize(needed);
    const bool is_new = canvases[needed - 1].emplace(pin.position, static_cast<int32_t>(pin.id)).second;
    check(is_new, "pins: position ", pin.position, " of canvas ", pin.canvas, " is there twice");
  }
  return pinned;
}

// Takes over the options that the caller has set.
struct Taker {
  const gesso_options& options;
  const ModelConfig& config;
  int64_t batch_size;
  GenerationOptions& out;

  template <typename T>
  bool is_set(const diffusion::ListInC<T>& list, const char* name) const {
    if (options.*list.items) return true;
    check(options.*list.count == 0, name, ": expected a list, got NULL and a length of ", options.*list.count);
    return false;
  }
  template <typename T>
  std::vector<T> copy(const diffusion::ListInC<T>& list, const char* name) const {
    return copy_list(name, options.*list.items, options.*list.count);
  }

  template <typename T>
  void operator()(const Number<T>& number) const {
    const T given = options.*number.in_c;
    if (!(given < 0)) out.*number.value = given;  // NaN goes on, and is refused by name
  }
  void operator()(const Ids& ids) const {
    if (is_set(ids.in_c, "end_token_ids")) out.*ids.value = copy(ids.in_c, "end_token_ids");
  }
  void operator()(const Seeds& seeds) const {
    out.*seeds.value = {options.*seeds.in_c};
    if (is_set(seeds.list_in_c, "seeds")) out.*seeds.value = copy(seeds.list_in_c, "seeds");
  }
  void operator()(const WarmCanvas& canvas) const {
    if (!is_set(canvas.in_c, "canvas")) return;
    out.*canvas.value = copy_canvases(options.*canvas.in_c.items, options.*canvas.in_c.count, config.canvas_length);
  }
  void operator()(const Pinned& pinned) const {
    if (!is_set(pinned.in_c, "pins")) return;
    const int64_t given = options.max_new_tokens;
    const int64_t num_tokens =
        std::min(given < 0 ? config.generation.max_new_tokens : given, config.max_position_embeddings);
    const int64_t num_canvases = (num_tokens + config.canvas_length - 1) / config.canvas_length;
    out.*pinned.value = to_pinned(copy(pinned.in_c, "pins"), batch_size, num_canvases);
  }
  void operator()(const Texts& texts) const {
    if (!is_set(texts.in_c, "stop")) return;
    for (const char* text : copy(texts.in_c, "stop")) {
      check_pointer(text, "stop");
      (out.*texts.value).emplace_back(text);
    }
  }
};

std::function<bool(const StepEvent&)> to_step_callback(const gesso_options& options) {
  if (!options.on_step && !options.on_step_event) return {};
  return [on_step = options.on_step, on_event = options.on_step_event,
          user_data = options.user_data](const StepEvent& event) {
    const size_t length = event.argmax.size();
    bool goes_on = true;
    if (on_step) {
      goes_on = on_step(user_data, event.canvas, event.step, event.argmax.data(), event.accepted.data(), length) != 0;
    }
    if (!on_event) return goes_on;
    const gesso_step_event shown = {.struct_size = sizeof shown,
                                    .sequence = event.sequence,
                                    .canvas = event.canvas,
                                    .step = event.step,
                                    .max_denoising_steps = event.max_denoising_steps,
                                    .mean_entropy = event.mean_entropy,
                                    .argmax = event.argmax.data(),
                                    .accepted = event.accepted.data(),
                                    .entropies = event.entropies.data(),
                                    .length = length};
    return on_event(user_data, &shown) != 0 && goes_on;
  };
}

std::function<bool(const CanvasEvent&)> to_canvas_callback(const gesso_options& options) {
  if (!options.on_canvas_event) return {};
  return [on_event = options.on_canvas_event, user_data = options.user_data](const CanvasEvent& event) {
    const gesso_canvas_event shown = {.struct_size = sizeof shown,
                                      .sequence = event.sequence,
                                      .canvas = event.canvas,
                                      .denoising_steps = event.denoising_steps,
                                      .finished = event.finished,
                                      .ids = event.ids.data(),
                                      .length = event.ids.size(),
                                      .text_length = event.text_length};
    return on_event(user_data, &shown) != 0;
  };
}

}  // namespace

GenerationOptions to_options(const gesso_options* options, const ModelConfig& config, int64_t batch_size) {
  const gesso_options chosen = read_struct("gesso_options", options, default_options(), kFirstOptionsSize);
  GenerationOptions out;
  for (const Option& option : diffusion::option_table()) {
    std::visit(Taker{chosen, config, batch_size, out}, option.member);
  }
  out.on_step = to_step_callback(chosen);
  out.on_canvas = to_canvas_callback(chosen);
  out.interrupted = to_interrupted(chosen.on_poll, chosen.user_data);
  return out;
}

}  // namespace gesso::c

gesso_status gesso_options_init(gesso_options* options, size_t struct_size) {
  using namespace gesso::c;
  return guarded(
      [&] { gesso::init_struct("gesso_options", options, struct_size, default_options(), kFirstOptionsSize); });
}

gesso_status gesso_model_options(const gesso_model* model, gesso_options* options, size_t struct_size) {
  using namespace gesso::c;
  return guarded([&] {
    check_pointer(model, "model");
    gesso_options shown = default_options();
    const gesso::GenerationDefaults& defaults = model->model.config().generation;
    for (const Option& option : gesso::diffusion::option_table()) std::visit(Shower{defaults, shown}, option.member);
    gesso::init_struct("gesso_options", options, struct_size, shown, kFirstOptionsSize);
  });
}
