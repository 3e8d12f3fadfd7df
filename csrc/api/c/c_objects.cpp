#include "api/c/c_objects.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "api/append_ids.h"
#include "api/c/sized_struct.h"
#include "core/check.h"
#include "diffusion/option_table.h"
#include "gesso/limits.h"

namespace gesso::c {
namespace {

using diffusion::Ids;
using diffusion::Number;
using diffusion::Option;
using diffusion::Pinned;
using diffusion::Seeds;
using diffusion::WarmCanvas;

thread_local std::string message_of_last_error;

// The struct of the first version ends with this field. Later ones are longer, and never shorter.
constexpr size_t kFirstOptionsSize = offsetof(gesso_options, user_data) + sizeof(gesso_options::user_data);
// Bytes behind the last field would hide a field that a later version has there.
static_assert(sizeof(gesso_options) == kFirstOptionsSize, "gesso_options: fill it up with a reserved field");

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
  GenerationOptions& out;

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

}  // namespace

gesso_status fail(gesso_status status, const char* message) noexcept {
  try {
    message_of_last_error = message;
  } catch (...) {  // no memory left even for the message
    message_of_last_error.clear();
  }
  return status;
}

const char* last_error() { return message_of_last_error.c_str(); }

void check_pointer(const void* pointer, const char* name) {
  check(pointer != nullptr, name, ": expected an object, got NULL");
}

std::vector<int32_t> copy_prompt(const int32_t* prompt, size_t length) {
  if (length > 0) check_pointer(prompt, "prompt");
  check(length <= static_cast<size_t>(kMaxContext), "prompt_length: expected at most ", kMaxContext, ", got ", length);
  return {prompt, prompt + length};
}

bool to_bool(const char* name, int64_t value) {
  check(value == 0 || value == 1, name, ": expected 0 or 1, got ", value);
  return value == 1;
}

const Tokenizer& tokenizer_of(const gesso_model* model) {
  check_pointer(model, "model");
  check(model->model.tokenizer().has_value(), "this checkpoint has no tokenizer; pass token ids");
  return *model->model.tokenizer();
}

std::vector<int32_t> prompt_ids(const gesso_model* model, std::string_view prompt) {
  const Tokenizer& tokenizer = tokenizer_of(model);
  check_length(prompt, tokenizer, model->model.config());
  return tokenizer.encode_prompt(prompt);
}

gesso_options default_options() {
  gesso_options options = {};
  options.struct_size = sizeof options;
  for (const Option& option : diffusion::option_table()) std::visit(Unset{options}, option.member);
  return options;
}

void init_options(gesso_options* options, size_t struct_size) {
  init_struct("gesso_options", options, struct_size, default_options(), kFirstOptionsSize);
}

GenerationOptions to_options(const gesso_options* options) {
  const gesso_options chosen = read_struct("gesso_options", options, default_options(), kFirstOptionsSize);
  GenerationOptions out;
  for (const Option& option : diffusion::option_table()) std::visit(Taker{chosen, out}, option.member);
  if (chosen.on_step) {
    out.on_step = [on_step = chosen.on_step, user_data = chosen.user_data](const StepEvent& event) {
      return on_step(user_data, event.canvas, event.step, event.argmax.data(), event.accepted.data(),
                     event.argmax.size()) != 0;
    };
  }
  return out;
}

gesso_result* make_result(Result result, const std::optional<Tokenizer>& tokenizer) {
  auto made = std::make_unique<gesso_result>();
  made->result = std::move(result);
  if (tokenizer) made->text = tokenizer->decode(made->result.ids);
  return made.release();
}

}  // namespace gesso::c
