#include <utility>

#include "api/c/c_objects.h"
#include "api/c/c_options.h"
#include "api/c/c_status.h"

using gesso::c::check_pointer;
using gesso::c::guarded;

namespace {

// Takes `model` by value, because a callback may free the handle that it came from.
gesso_result* generate(const gesso::Model model, std::vector<int32_t> prompt, const gesso::GenerationOptions& options) {
  gesso::GenerationResult generated = model.generate({std::move(prompt)}, options);
  return gesso::c::make_result(std::move(generated.results[0]), model.tokenizer(), std::move(generated.timings));
}

}  // namespace

gesso_status gesso_generate(const gesso_model* model, const int32_t* prompt, size_t prompt_length,
                            const gesso_options* options, gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    std::vector<int32_t> ids = gesso::c::copy_prompt(prompt, prompt_length);
    *out = generate(model->model, std::move(ids), gesso::c::to_options(options, model->model.config(), 1));
  });
}

gesso_status gesso_generate_text(const gesso_model* model, const char* prompt, const gesso_options* options,
                                 gesso_result** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(prompt, "prompt");
    check_pointer(out, "out");
    const gesso::Model kept = model->model;
    const gesso::GenerationOptions chosen = gesso::c::to_options(options, kept.config(), 1);
    *out = generate(kept, gesso::c::prompt_ids(kept, prompt, chosen.interrupted), chosen);
  });
}
