#include <nanobind/stl/function.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "bindings.h"
#include "gesso/generation.h"

namespace gesso::bindings {
namespace {

// An event for a Python callback. It has its own copy of the arrays, so the callback may keep them.
struct PyStepEvent {
  int64_t sequence, canvas, step, max_denoising_steps;
  float mean_entropy;
  nb::object argmax, accepted, entropies;
};

struct PyCanvasEvent {
  int64_t sequence, canvas, denoising_steps;
  bool finished;
  int64_t text_length;
  nb::object ids;
};

// A callback that returns something false stops the generation. None does not stop it, because a function without a
// return statement returns None.
template <typename PyEvent>
using Callback = Function<nb::object(PyEvent)>;

template <typename Event, typename PyEvent>
std::function<bool(const Event&)> wrap_callback(Callback<PyEvent> callback) {
  if (!callback) return {};
  return [callback = keep_alive(*std::move(callback))](const Event& event) {
    const HoldGil hold;
    const nb::object argument = to_python(event);
    const nb::object answer = call_python(*callback, argument);
    return outlive_python([&] { return answer.is_none() || nb::cast<bool>(nb::bool_(answer)); });
  };
}

using NumpyCanvases = nb::ndarray<nb::numpy, int32_t, nb::ndim<2>>;

// Copies the canvases of one sequence into one array, one below the other.
NumpyCanvases stack(const std::vector<std::vector<int32_t>>& canvases) {
  auto* owned = new std::vector<int32_t>();
  nb::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<std::vector<int32_t>*>(pointer); });
  for (const std::vector<int32_t>& canvas : canvases) owned->insert(owned->end(), canvas.begin(), canvas.end());
  return {owned->data(), {canvases.size(), canvases.empty() ? 0 : canvases[0].size()}, owner};
}

// The last token in front of the new tokens that is one of `ids`.
std::optional<int32_t> last_before(const Result& result, const std::vector<int32_t>& ids) {
  const std::vector<int32_t>& prompt = result.prompt;
  const auto found = std::find_first_of(prompt.rbegin(), prompt.rend(), ids.begin(), ids.end());
  return found == prompt.rend() ? std::nullopt : std::optional(*found);
}

}  // namespace

nb::object to_python(const StepEvent& event) {
  nb::object accepted = nb::cast(copy_to_numpy<uint8_t>(event.accepted)).attr("astype")("bool");
  return nb::cast(PyStepEvent{event.sequence, event.canvas, event.step, event.max_denoising_steps, event.mean_entropy,
                              nb::cast(copy_to_numpy<int32_t>(event.argmax)), accepted,
                              nb::cast(copy_to_numpy<float>(event.entropies))});
}

nb::object to_python(const CanvasEvent& event) {
  return nb::cast(PyCanvasEvent{event.sequence, event.canvas, event.denoising_steps, event.finished, event.text_length,
                                nb::cast(copy_to_numpy<int32_t>(event.ids))});
}

void bind_generation(nb::module_& module) {
  nb::class_<PyStepEvent>(module, "StepEvent", "What a denoising step left of one sequence, for `on_step`.")
      .def_ro("sequence", &PyStepEvent::sequence, "Index of the sequence in the batch.")
      .def_ro("canvas", &PyStepEvent::canvas, "Index of the canvas among those of this call.")
      .def_ro("step", &PyStepEvent::step, "Index of the step within its canvas; the first is 0.")
      .def_ro("max_denoising_steps", &PyStepEvent::max_denoising_steps)
      .def_ro("mean_entropy", &PyStepEvent::mean_entropy, "The mean over the positions that are not pinned, in nats.")
      .def_ro("argmax", &PyStepEvent::argmax, nb::sig("def argmax(self) -> numpy.typing.NDArray[numpy.int32]"),
              "[C], the token ids that would be committed now.")
      .def_ro("accepted", &PyStepEvent::accepted, nb::sig("def accepted(self) -> numpy.typing.NDArray[numpy.bool_]"),
              "[C], whether this step accepted the position; pinned positions always count as accepted.")
      .def_ro("entropies", &PyStepEvent::entropies,
              nb::sig("def entropies(self) -> numpy.typing.NDArray[numpy.float32]"),
              "[C], the entropy of each position in nats.");
  nb::class_<PyCanvasEvent>(module, "CanvasEvent", "A canvas that was just committed, for `on_canvas`.")
      .def_ro("sequence", &PyCanvasEvent::sequence, "Index of the sequence in the batch.")
      .def_ro("canvas", &PyCanvasEvent::canvas, "Index of the canvas among those of this call.")
      .def_ro("denoising_steps", &PyCanvasEvent::denoising_steps, "How many denoising passes the canvas took.")
      .def_ro("finished", &PyCanvasEvent::finished, "Whether it holds an end token.")
      .def_ro("text_length", &PyCanvasEvent::text_length,
              "How many of the ids belong to the text: those in front of an end token and of a stop string, as far as"
              " max_new_tokens goes.")
      .def_ro("ids", &PyCanvasEvent::ids, nb::sig("def ids(self) -> numpy.typing.NDArray[numpy.int32]"),
              "[C], the committed token ids, padded after the first end token.");

  nb::class_<Timings>(module, "Timings", "Where the time of a generation went.")
      .def_ro("encode_ms", &Timings::encode_ms, "The time of the passes that only encoded.")
      .def_ro("denoise_ms", &Timings::denoise_ms, "The time of the denoising passes, with what they encoded.")
      .def_ro("first_canvas_ms", &Timings::first_canvas_ms, "The time from the call to the first committed canvas.")
      .def_ro("steps", &Timings::steps,
              "How many passes had canvases that took a step. A large batch needs several for each step.")
      .def_ro("step_ms", &Timings::step_ms, "The time of each denoising pass, with its callbacks.")
      .def(
          "__getstate__",
          [](const Timings& t) { return std::tuple(t.encode_ms, t.denoise_ms, t.first_canvas_ms, t.steps, t.step_ms); })
      .def("__setstate__",
           [](Timings& t, const std::tuple<double, double, double, int64_t, std::vector<double>>& state) {
             new (&t) Timings(std::make_from_tuple<Timings>(state));
           })
      .def("__repr__", [](const Timings& t) {
        return nb::str("Timings(encode_ms={:.1f}, denoise_ms={:.1f}, steps={}, first_canvas_ms={:.1f})")
            .format(t.encode_ms, t.denoise_ms, t.steps, t.first_canvas_ms);
      });

  nb::class_<GenerationOptions>(module, "GenerationOptions", "Options in their native form, see `generation_options`.")
      .def(
          "__init__",
          [](GenerationOptions* self, const OptionValues& values, Callback<PyStepEvent> on_step,
             Callback<PyCanvasEvent> on_canvas) {
            new (self) GenerationOptions(options_from(values));
            self->on_step = wrap_callback<StepEvent>(std::move(on_step));
            self->on_canvas = wrap_callback<CanvasEvent>(std::move(on_canvas));
          },
          nb::arg("values"), nb::arg("on_step") = nb::none(), nb::arg("on_canvas") = nb::none());

  nb::enum_<FinishReason> reasons(module, "FinishReason", "Why a sequence ends where it does.");
  for (size_t i = 0; i < std::size(kFinishReasonNames); ++i) {
    reasons.value(kFinishReasonNames[i].data(), static_cast<FinishReason>(i));
  }
  nb::class_<Usage>(module, "Usage")
      .def_ro("prompt_tokens", &Usage::prompt_tokens)
      .def_ro("cached_tokens", &Usage::cached_tokens)
      .def_ro("completion_tokens", &Usage::completion_tokens);
  nb::class_<Result>(module, "Result", "One sequence. `gesso.Result` is made of it, once.")
      .def_ro("ids", &Result::ids)
      .def("last_before", last_before, nb::arg("ids"),
           "The last of `ids` among the tokens in front of the new ones; None where there is none.")
      .def_prop_ro(
          "canvases", [](const Result& self) { return stack(self.canvases); }, nb::rv_policy::move,
          "A new array [canvases, C].")
      .def_ro("denoising_steps", &Result::denoising_steps)
      .def_ro("finish_reason", &Result::finish_reason)
      .def_ro("usage", &Result::usage)
      .def_ro("seed", &Result::seed)
      .def_ro("tokens_per_forward", &Result::tokens_per_forward);
  nb::class_<GenerationResult>(module, "GenerationResult")
      .def_ro("results", &GenerationResult::results, "One for each sequence of the batch.")
      .def_ro("stopped", &GenerationResult::stopped)
      .def_ro("timings", &GenerationResult::timings);
}

}  // namespace gesso::bindings
