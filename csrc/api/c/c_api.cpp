#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "api/c/c_objects.h"
#include "api/c/sized_struct.h"
#include "core/check.h"

namespace {

using gesso::check;
using gesso::init_struct;
using gesso::read_struct;
using gesso::c::check_pointer;
using gesso::c::copy_prompt;
using gesso::c::guarded;
using gesso::c::make_result;
using gesso::c::to_bool;
using gesso::c::tokenizer_of;

// The struct of the first version ends with this field. Later ones are longer, and never shorter.
constexpr size_t kFirstLoadOptionsSize =
    offsetof(gesso_load_options, exact_soft_embedding) + sizeof(gesso_load_options::exact_soft_embedding);
// Bytes behind the last field would hide a field that a later version has there.
static_assert(sizeof(gesso_load_options) ==
                  offsetof(gesso_load_options, copy_weights) + sizeof(gesso_load_options::copy_weights),
              "gesso_load_options: fill it up, too");

gesso_load_options default_load_options() { return {sizeof(gesso_load_options), "auto", "auto", 0, 0, 0, 0}; }

// Takes `model` by value, because a callback may free the handle that it came from.
gesso_result* generate(const gesso::Model model, std::vector<int32_t> prompt, const gesso_options* options) {
  gesso::GenerationResult generated = model.generate({std::move(prompt)}, gesso::c::to_options(options));
  return make_result(std::move(generated.results[0]), model.tokenizer());
}

}  // namespace

const char* gesso_last_error(void) { return gesso::c::last_error(); }
const char* gesso_version(void) { return GESSO_VERSION; }

gesso_status gesso_load_options_init(gesso_load_options* options, size_t struct_size) {
  return guarded(
      [&] { init_struct("gesso_load_options", options, struct_size, default_load_options(), kFirstLoadOptionsSize); });
}

gesso_status gesso_model_load(const char* path, const gesso_load_options* options, gesso_model** out) {
  return guarded([&] {
    check_pointer(path, "path");
    check_pointer(out, "out");
    const gesso_load_options chosen =
        read_struct("gesso_load_options", options, default_load_options(), kFirstLoadOptionsSize);
    gesso::LoadOptions load;
    load.exact_soft_embedding = to_bool("gesso_load_options.exact_soft_embedding", chosen.exact_soft_embedding);
    load.mmap = !to_bool("gesso_load_options.no_mmap", chosen.no_mmap);
    load.copy_weights = to_bool("gesso_load_options.copy_weights", chosen.copy_weights);
    if (chosen.device) load.device = chosen.device;
    if (chosen.activations) load.activations = chosen.activations;
    load.num_threads = chosen.num_threads;
    *out = new gesso_model{gesso::Model::load(path, load)};
  });
}

const char* gesso_model_device(const gesso_model* model) { return model ? model->model.device().c_str() : ""; }
const char* gesso_gpu_problem(void) {
  thread_local std::string problem;
  return guarded([&] { problem = gesso::gpu_problem(); }) == GESSO_OK ? problem.c_str() : gesso_last_error();
}
const char* gesso_model_activations(const gesso_model* model) {
  return model ? model->model.activations().c_str() : "";
}

void gesso_model_free(gesso_model* model) { delete model; }

int64_t gesso_model_vocab_size(const gesso_model* model) { return model ? model->model.config().vocab_size : 0; }
int64_t gesso_model_canvas_length(const gesso_model* model) { return model ? model->model.config().canvas_length : 0; }

gesso_status gesso_encode(const gesso_model* model, const char* text, int32_t* ids, size_t capacity, size_t* count) {
  const uint8_t parse_special = 1;
  return gesso_encode_parts(model, &text, &parse_special, 1, ids, capacity, count);
}

gesso_status gesso_encode_parts(const gesso_model* model, const char* const* texts, const uint8_t* parse_special,
                                size_t num_parts, int32_t* ids, size_t capacity, size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    if (num_parts > 0) check_pointer(texts, "texts");
    if (num_parts > 0) check_pointer(parse_special, "parse_special");
    std::vector<gesso::TextPart> parts;
    for (size_t i = 0; i < num_parts; ++i) {
      check_pointer(texts[i], "text");
      parts.push_back({texts[i], parse_special[i] != 0});
    }
    const std::vector<int32_t> encoded = tokenizer_of(model).encode(parts);
    if (ids) std::copy_n(encoded.begin(), std::min(capacity, encoded.size()), ids);
    *count = encoded.size();
  });
}

gesso_status gesso_decode(const gesso_model* model, const int32_t* ids, size_t num_ids, char* text, size_t capacity,
                          size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    if (num_ids > 0) check_pointer(ids, "ids");
    const std::string decoded = tokenizer_of(model).decode({ids, num_ids});
    if (text && decoded.size() < capacity) std::memcpy(text, decoded.c_str(), decoded.size() + 1);
    *count = decoded.size() + 1;
  });
}

gesso_status gesso_options_init(gesso_options* options, size_t struct_size) {
  return guarded([&] { gesso::c::init_options(options, struct_size); });
}

gesso_status gesso_generate(const gesso_model* model, const int32_t* prompt, size_t prompt_length,
                            const gesso_options* options, gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    *out = generate(model->model, copy_prompt(prompt, prompt_length), options);
  });
}

gesso_status gesso_generate_text(const gesso_model* model, const char* prompt, const gesso_options* options,
                                 gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(prompt, "prompt");
    check_pointer(out, "out");
    *out = generate(model->model, gesso::c::prompt_ids(model, prompt), options);
  });
}

void gesso_result_free(gesso_result* result) { delete result; }

const int32_t* gesso_result_ids(const gesso_result* result, size_t* count) {
  if (count) *count = result ? result->result.ids.size() : 0;
  return result ? result->result.ids.data() : nullptr;
}

const char* gesso_result_text(const gesso_result* result) {
  return result && result->text ? result->text->c_str() : nullptr;
}

const char* gesso_result_finish_reason(const gesso_result* result) {
  return result ? gesso::name_of(result->result.finish_reason).data() : "";  // a literal, so it ends with a NUL
}

int64_t gesso_result_denoising_steps(const gesso_result* result) {
  if (!result) return 0;
  const std::vector<int64_t>& steps = result->result.denoising_steps;
  return std::accumulate(steps.begin(), steps.end(), int64_t{0});
}

int64_t gesso_result_num_canvases(const gesso_result* result) {
  return result ? std::ssize(result->result.canvases) : 0;
}

const int32_t* gesso_result_canvas(const gesso_result* result, int64_t index, size_t* count) {
  const bool is_there = index >= 0 && index < gesso_result_num_canvases(result);
  if (count) *count = is_there ? result->result.canvases[index].size() : 0;
  return is_there ? result->result.canvases[index].data() : nullptr;
}

int64_t gesso_result_prompt_tokens(const gesso_result* result) {
  return result ? result->result.usage.prompt_tokens : 0;
}
int64_t gesso_result_cached_tokens(const gesso_result* result) {
  return result ? result->result.usage.cached_tokens : 0;
}
int64_t gesso_result_completion_tokens(const gesso_result* result) {
  return result ? result->result.usage.completion_tokens : 0;
}
