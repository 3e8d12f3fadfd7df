#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <numeric>

#include "api/sized_struct.h"
#include "core/check.h"
#include "diffusion/option_table.h"
#include "gesso/gesso.h"
#include "gesso/model.h"

struct gesso_model {
  gesso::Model model;
};

struct gesso_result {
  std::vector<int32_t> ids;
  std::optional<std::string> text;
  int64_t denoising_steps = 0;
};

namespace {

using gesso::check;
using gesso::init_struct;
using gesso::read_struct;
using gesso::diffusion::Ids;
using gesso::diffusion::Number;
using gesso::diffusion::Option;
using gesso::diffusion::Pinned;
using gesso::diffusion::Seeds;
using gesso::diffusion::WarmCanvas;

thread_local std::string last_error;

gesso_status fail(gesso_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {  // no memory left even for the message
    last_error.clear();
  }
  return status;
}

// Runs `body` and turns whatever it throws into a status.
template <typename Body>
gesso_status guarded(const Body& body) noexcept {
  try {
    body();
    return GESSO_OK;
  } catch (const gesso::FormatError& error) {
    return fail(GESSO_FORMAT_ERROR, error.what());
  } catch (const gesso::ArgumentError& error) {
    return fail(GESSO_ARGUMENT_ERROR, error.what());
  } catch (const gesso::IoError& error) {
    return fail(GESSO_IO_ERROR, error.what());
  } catch (const gesso::NumericsError& error) {
    return fail(GESSO_NUMERICS_ERROR, error.what());
  } catch (const gesso::CudaError& error) {
    return fail(GESSO_CUDA_ERROR, error.what());
  } catch (const gesso::BusyError& error) {
    return fail(GESSO_BUSY_ERROR, error.what());
  } catch (const gesso::OutOfMemory& error) {
    return fail(GESSO_OUT_OF_MEMORY, error.what());
  } catch (const std::bad_alloc&) {
    return fail(GESSO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fail(GESSO_OTHER_ERROR, error.what());
  } catch (...) {
    return fail(GESSO_OTHER_ERROR, "unknown error");
  }
}

void check_pointer(const void* pointer, const char* name) {
  check(pointer != nullptr, name, ": expected an object, got NULL");
}

const gesso::Tokenizer& tokenizer_of(const gesso_model* model) {
  check_pointer(model, "model");
  check(model->model.tokenizer().has_value(), "this checkpoint has no tokenizer; pass token ids");
  return *model->model.tokenizer();
}

// Structs of the first version end with these fields. Later ones are longer, and never shorter.
constexpr size_t kFirstOptionsSize = offsetof(gesso_options, user_data) + sizeof(gesso_options::user_data);
constexpr size_t kFirstLoadOptionsSize =
    offsetof(gesso_load_options, exact_soft_embedding) + sizeof(gesso_load_options::exact_soft_embedding);
// Bytes behind the last field would hide a field that a later version has there.
static_assert(sizeof(gesso_options) == kFirstOptionsSize, "gesso_options: fill it up with a reserved field");
static_assert(sizeof(gesso_load_options) == offsetof(gesso_load_options, no_mmap) + sizeof(gesso_load_options::no_mmap),
              "gesso_load_options: fill it up, too");

gesso_load_options default_load_options() { return {sizeof(gesso_load_options), "auto", "auto", 0, 0, 0}; }

// Marks every option that has a default as not set.
struct Unset {
  gesso_options& options;

  template <typename T>
  void operator()(const Number<T>& number) const {
    options.*number.in_c = -1;
  }
  void operator()(const Seeds& seeds) const { options.*seeds.in_c = 0; }
  // The C struct does not have these options.
  void operator()(const Ids&) const {}
  void operator()(const WarmCanvas&) const {}
  void operator()(const Pinned&) const {}
};

// Takes over the options that the caller has set.
struct Taker {
  const gesso_options& options;
  gesso::GenerationOptions& out;

  template <typename T>
  void operator()(const Number<T>& number) const {
    const T given = options.*number.in_c;
    if (!(given < 0)) out.*number.value = given;  // NaN goes on, and is refused by name
  }
  void operator()(const Seeds& seeds) const { out.*seeds.value = {options.*seeds.in_c}; }
  // The C struct does not have these options.
  void operator()(const Ids&) const {}
  void operator()(const WarmCanvas&) const {}
  void operator()(const Pinned&) const {}
};

gesso_options default_options() {
  gesso_options options = {};
  options.struct_size = sizeof options;
  for (const Option& option : gesso::diffusion::option_table()) std::visit(Unset{options}, option.member);
  return options;
}

// `options` must outlive the result, whose callback refers to it.
gesso::GenerationOptions to_options(const gesso_options& options) {
  gesso::GenerationOptions out;
  for (const Option& option : gesso::diffusion::option_table()) std::visit(Taker{options, out}, option.member);
  if (options.on_step) {
    out.on_step = [&options](const gesso::StepEvent& event) {
      return options.on_step(options.user_data, event.canvas, event.step, event.argmax.data(), event.accepted.data(),
                             event.argmax.size()) != 0;
    };
  }
  return out;
}

// Takes `model` by value, because a callback may free the handle that it came from.
gesso_result* generate(const gesso::Model model, std::vector<int32_t> prompt, const gesso_options* options) {
  const gesso_options chosen = read_struct("gesso_options", options, default_options(), kFirstOptionsSize);
  gesso::Result generated = std::move(model.generate({std::move(prompt)}, to_options(chosen)).results[0]);
  auto result = std::make_unique<gesso_result>();
  result->ids = std::move(generated.ids);
  const auto& tokenizer = model.tokenizer();
  if (tokenizer) result->text = tokenizer->decode(result->ids);
  const std::vector<int64_t>& steps = generated.denoising_steps;
  result->denoising_steps = std::accumulate(steps.begin(), steps.end(), int64_t{0});
  return result.release();
}

}  // namespace

const char* gesso_last_error(void) { return last_error.c_str(); }
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
    check(chosen.exact_soft_embedding == 0 || chosen.exact_soft_embedding == 1,
          "gesso_load_options.exact_soft_embedding: expected 0 or 1, got ", chosen.exact_soft_embedding);
    check(chosen.no_mmap == 0 || chosen.no_mmap == 1, "gesso_load_options.no_mmap: expected 0 or 1, got ",
          chosen.no_mmap);
    gesso::LoadOptions load;
    load.mmap = chosen.no_mmap == 0;
    if (chosen.device) load.device = chosen.device;
    if (chosen.activations) load.activations = chosen.activations;
    load.num_threads = chosen.num_threads;
    load.exact_soft_embedding = chosen.exact_soft_embedding != 0;
    *out = new gesso_model{gesso::Model::load(path, load)};
  });
}

const char* gesso_model_device(const gesso_model* model) { return model ? model->model.device().c_str() : ""; }
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
  return guarded([&] { init_struct("gesso_options", options, struct_size, default_options(), kFirstOptionsSize); });
}

gesso_status gesso_generate(const gesso_model* model, const int32_t* prompt, size_t prompt_length,
                            const gesso_options* options, gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    if (prompt_length > 0) check_pointer(prompt, "prompt");
    *out = generate(model->model, {prompt, prompt + prompt_length}, options);
  });
}

gesso_status gesso_generate_text(const gesso_model* model, const char* prompt, const gesso_options* options,
                                 gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(prompt, "prompt");
    check_pointer(out, "out");
    *out = generate(model->model, tokenizer_of(model).encode_prompt(prompt), options);
  });
}

void gesso_result_free(gesso_result* result) { delete result; }

const int32_t* gesso_result_ids(const gesso_result* result, size_t* count) {
  if (count) *count = result ? result->ids.size() : 0;
  return result ? result->ids.data() : nullptr;
}

const char* gesso_result_text(const gesso_result* result) {
  return result && result->text ? result->text->c_str() : nullptr;
}

int64_t gesso_result_denoising_steps(const gesso_result* result) { return result ? result->denoising_steps : 0; }
