#include <cstddef>
#include <numeric>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"

namespace {

constexpr size_t kFirstTimingsSize = offsetof(gesso_timings, steps) + sizeof(int64_t);
static_assert(sizeof(gesso_timings) == kFirstTimingsSize, "fill it up with a reserved field");

const int32_t* give_ids(const std::vector<int32_t>* ids, size_t* count) {
  if (count) *count = ids ? ids->size() : 0;
  return ids ? ids->data() : nullptr;
}

}  // namespace

void gesso_result_free(gesso_result* result) { delete result; }

const int32_t* gesso_result_ids(const gesso_result* result, size_t* count) {
  return give_ids(result ? &result->result.ids : nullptr, count);
}

const int32_t* gesso_result_prompt(const gesso_result* result, size_t* count) {
  return give_ids(result ? &result->result.prompt : nullptr, count);
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
  return give_ids(is_there ? &result->result.canvases[index] : nullptr, count);
}

int64_t gesso_result_canvas_steps(const gesso_result* result, int64_t index) {
  const bool is_there = index >= 0 && result && index < std::ssize(result->result.denoising_steps);
  return is_there ? result->result.denoising_steps[index] : 0;
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
uint64_t gesso_result_seed(const gesso_result* result) { return result ? result->result.seed : 0; }
double gesso_result_tokens_per_forward(const gesso_result* result) {
  return result ? result->result.tokens_per_forward : 0;
}

gesso_status gesso_result_timings(const gesso_result* result, gesso_timings* timings, size_t struct_size) {
  return gesso::c::guarded([&] {
    gesso::c::check_pointer(result, "result");
    const gesso::Timings& t = result->timings;
    const gesso_timings shown = {.struct_size = sizeof shown,
                                 .encode_ms = t.encode_ms,
                                 .denoise_ms = t.denoise_ms,
                                 .first_canvas_ms = t.first_canvas_ms,
                                 .step_ms = t.step_ms.data(),
                                 .steps = std::ssize(t.step_ms)};
    gesso::init_struct("gesso_timings", timings, struct_size, shown, kFirstTimingsSize);
  });
}
