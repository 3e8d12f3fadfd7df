#include <utility>

#include "api/c/c_objects.h"
#include "api/c/c_options.h"
#include "api/c/c_status.h"

using gesso::c::check_pointer;
using gesso::c::guarded;

namespace {

// Takes `model` by value, because a callback may free the handle that it came from.
gesso_result* generate(const gesso::Model model, std::vector<int32_t> prompt, const gesso_options* options) {
  gesso::GenerationResult generated =
      model.generate({std::move(prompt)}, gesso::c::to_options(options, model.config(), 1));
  return gesso::c::make_result(std::move(generated.results[0]), model.tokenizer(), std::move(generated.timings));
}

}  // namespace

gesso_status gesso_generate(const gesso_model* model, const int32_t* prompt, size_t prompt_length,
                            const gesso_options* options, gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    *out = generate(model->model, gesso::c::copy_prompt(prompt, prompt_length), options);
  });
}

gesso_status gesso_generate_text(const gesso_model* model, const char* prompt, const gesso_options* options,
                                 gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(prompt, "prompt");
    check_pointer(out, "out");
    *out = generate(model->model, gesso::c::prompt_ids(model->model, prompt), options);
  });
}
