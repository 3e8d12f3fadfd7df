#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "gesso/model.h"
#include "gesso/options.h"

namespace gesso::bindings {
namespace {

using Ids = std::vector<std::vector<int32_t>>;
using NumpyVector = nb::ndarray<nb::numpy, const int64_t, nb::ndim<1>>;  // a view into the object that it belongs to
using NumpyMatrix = nb::ndarray<nb::numpy, const float, nb::ndim<2>>;
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Logits = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

using Progress = Function<nb::object(int64_t, int64_t)>;  // on_progress(bytes_done, bytes_in_all)

// The result refers to `callback`, which must live longer.
std::function<void(int64_t, int64_t)> wrap_progress(const Progress& callback) {
  if (!callback) return {};
  return [&callback](int64_t done, int64_t total) {
    const HoldGil hold;
    call_python(*callback, nb::int_(done), nb::int_(total));
  };
}

OptionValues defaults_of(const ModelConfig& config) {
  nb::dict values;
  for (const OptionInfo& option : generation_options(config.generation)) {
    values[option.name.c_str()] = option.default_value;
  }
  return values;
}

std::vector<int64_t> lengths_of(const Session& session) {
  std::vector<int64_t> lengths;
  for (const std::vector<int32_t>& ids : session.ids()) lengths.push_back(std::ssize(ids));
  return lengths;
}

void bind_config(nb::module_& module) {
  nb::class_<LayerConfig>(module, "LayerConfig")
      .def_ro("is_sliding", &LayerConfig::is_sliding)
      .def_ro("num_key_value_heads", &LayerConfig::num_key_value_heads)
      .def_ro("head_dim", &LayerConfig::head_dim);
  nb::class_<ModelConfig>(module, "ModelConfig")
      .def_ro("vocab_size", &ModelConfig::vocab_size)
      .def_ro("hidden_size", &ModelConfig::hidden_size)
      .def_ro("intermediate_size", &ModelConfig::intermediate_size)
      .def_ro("moe_intermediate_size", &ModelConfig::moe_intermediate_size)
      .def_ro("num_hidden_layers", &ModelConfig::num_hidden_layers)
      .def_ro("num_attention_heads", &ModelConfig::num_attention_heads)
      .def_ro("num_experts", &ModelConfig::num_experts)
      .def_ro("top_k_experts", &ModelConfig::top_k_experts)
      .def_ro("sliding_window", &ModelConfig::sliding_window)
      .def_ro("max_position_embeddings", &ModelConfig::max_position_embeddings)
      .def_ro("canvas_length", &ModelConfig::canvas_length)
      .def_ro("rms_norm_eps", &ModelConfig::rms_norm_eps)
      .def_ro("final_logit_softcapping", &ModelConfig::final_logit_softcapping)
      .def_ro("rope_theta_sliding", &ModelConfig::rope_theta_sliding)
      .def_ro("rope_theta_full", &ModelConfig::rope_theta_full)
      .def_ro("layers", &ModelConfig::layers)
      .def_ro("pad_token_id", &ModelConfig::pad_token_id)
      .def_ro("bos_token_id", &ModelConfig::bos_token_id)
      .def_ro("eos_token_id", &ModelConfig::eos_token_id)
      .def_ro("placeholder_token_ids", &ModelConfig::placeholder_token_ids)
      .def_prop_ro("generation", defaults_of, "The values that options have when they are not set, by their names.");
  module.def("read_config", &read_config, nb::arg("checkpoint"),
             "Reads a model's configuration from the metadata of its checkpoint.");
  module.def("scratch_bytes", &scratch_bytes, nb::arg("config"), "Bytes of scratch memory that a session takes.");
  module.def("cache_bytes", &cache_bytes, nb::arg("config"), nb::arg("length"),
             "The most bytes that the cache of one sequence of `length` tokens takes.");
}

}  // namespace

void bind_model(nb::module_& module) {
  bind_config(module);
  nb::class_<WeightImportance>(module, "WeightImportance")
      .def_ro("name", &WeightImportance::name)
      .def_prop_ro("counts",
                   [](const WeightImportance& self) { return NumpyVector(self.counts.data(), {self.counts.size()}); })
      .def_prop_ro("sums", [](const WeightImportance& self) {
        const size_t num_experts = self.counts.size();
        return NumpyMatrix(self.sums.data(), {num_experts, self.sums.size() / num_experts});
      });
  nb::class_<Model>(module, "Model")
      .def(
          "__init__",
          [](Model* self, const Checkpoint& checkpoint, const std::string& device, int num_threads,
             const std::string& activations, const Progress& on_progress, bool exact_soft_embedding,
             bool copy_weights) {
            const LoadOptions options{.device = device,
                                      .num_threads = num_threads,
                                      .activations = activations,
                                      .exact_soft_embedding = exact_soft_embedding,
                                      .progress = wrap_progress(on_progress),
                                      .interrupted = poll_signals,
                                      .copy_weights = copy_weights};
            new (self) Model(logged([&] {
              const ReleaseGil release;
              return Model(checkpoint, options);
            }));
          },
          nb::arg("checkpoint"), nb::arg("device") = "auto", nb::arg("num_threads") = 0,
          nb::arg("activations") = "auto", nb::arg("on_progress") = nb::none(), nb::arg("exact_soft_embedding") = false,
          nb::arg("copy_weights") = false)
      .def_prop_ro("config", &Model::config, nb::rv_policy::reference_internal)
      .def_prop_ro("tokenizer", &Model::tokenizer)
      .def_prop_ro("weight_bytes", &Model::weight_bytes)
      .def_prop_ro("device", &Model::device)
      .def_prop_ro("activations", &Model::activations)
      .def_prop_ro("num_threads", &Model::num_threads);

  nb::class_<Session>(module, "Session")
      .def(nb::init<const Model&, int64_t>(), nb::arg("model"), nb::arg("batch_size") = 1, nb::call_guard<ReleaseGil>())
      .def_prop_ro("batch_size", &Session::batch_size)
      .def_prop_ro("lengths", lengths_of, "How many tokens each sequence has, all at one time.")
      .def_prop_ro(
          "ids", [](const Session& self) { return self.ids(); },
          "A copy of the tokens of all sequences, all at one time.")
      .def_prop_ro("cache_bytes", &Session::cache_bytes)
      .def("fork", &Session::fork, nb::call_guard<ReleaseGil>())
      .def(
          "save",
          [](const Session& self, nb::bytes path) {
            const std::string name(path.c_str(), path.size());
            logged([&] {
              const ReleaseGil release;
              self.save(name, poll_signals);
            });
          },
          nb::arg("path"), "Writes a file. The path is what os.fsencode() gives.")
      .def(
          "save_bytes",
          [](const Session& self) {
            const std::vector<std::byte> all = [&] {
              ReleaseGil release;
              return self.save(poll_signals);
            }();
            return nb::bytes(all.data(), all.size());
          },
          "Returns what save() writes.")
      .def_static(
          "load",
          [](const Model& model, nb::bytes path) {
            const std::string name(path.c_str(), path.size());
            return logged([&] {
              const ReleaseGil release;
              return Session::load(model, name, poll_signals);
            });
          },
          nb::arg("model"), nb::arg("path"))
      .def_static(
          "load_bytes",
          [](const Model& model, Bytes data) {
            ReleaseGil release;
            return Session::load(model, std::as_bytes(std::span(data.data(), data.size())), poll_signals);
          },
          nb::arg("model"), nb::arg("data"))
      .def(
          "encode", [](Session& self, const Ids& ids) { self.encode(ids, poll_signals); }, nb::arg("ids"),
          nb::call_guard<ReleaseGil>())
      .def("rewind", &Session::rewind, nb::arg("lengths"), nb::call_guard<ReleaseGil>())
      .def("encoded", &Session::encoded, nb::arg("sequence"), nb::arg("length"),
           "How many of the first `length` tokens stay encoded if rewind() goes back to them.")
      .def(
          "denoise",
          [](Session& self, const Ids& canvas, bool has_self_conditioning, Logits logits) {
            ReleaseGil release;
            self.denoise(canvas, has_self_conditioning, {logits.data(), logits.size()}, poll_signals);
          },
          nb::arg("canvas"), nb::arg("has_self_conditioning"), nb::arg("logits"))
      .def(
          "generate",
          // The options are copied, because another call may use the caller's at the same time.
          [](Session& self, const Ids& ids, GenerationOptions options) {
            options.interrupted = poll_signals;
            return logged([&] {
              const ReleaseGil release;
              return self.generate(ids, options);
            });
          },
          nb::arg("ids"), nb::arg("options"))
      .def("set_profiling", &Session::set_profiling, nb::arg("on"),
           "From now on every op adds its time and work to a profile; on a GPU each op then waits for the one before.")
      .def("take_profile", &Session::take_profile,
           "The ops that were added since the last call; empty when nothing is profiled.")
      .def("collect_importance", &Session::collect_importance)
      .def_prop_ro("importance", &Session::importance);
}

}  // namespace gesso::bindings
