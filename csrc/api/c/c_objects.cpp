#include "api/c/c_objects.h"

#include <memory>
#include <utility>

#include "api/append_ids.h"

namespace gesso::c {

void check_pointer(const void* pointer, const char* name) {
  check(pointer != nullptr, name, ": expected an object, got NULL");
}

void check_index(size_t index, size_t size) {
  check(index < size, "index: expected less than ", size, ", got ", index);
}

bool to_bool(const char* name, int64_t value) {
  check(value == 0 || value == 1, name, ": expected 0 or 1, got ", value);
  return value == 1;
}

std::function<bool()> to_interrupted(gesso_poll_callback poll, void* user_data) {
  if (!poll) return {};
  return [poll, user_data] { return poll(user_data) == 0; };
}

std::vector<int32_t> copy_prompt(const int32_t* prompt, size_t length) {
  if (length > 0) check_pointer(prompt, "prompt");
  check(length <= static_cast<size_t>(kMaxContext), "prompt_length: expected at most ", kMaxContext, ", got ", length);
  return {prompt, prompt + length};
}

std::vector<std::vector<int32_t>> copy_lists(const gesso_ids* lists, size_t num_lists) {
  if (num_lists > 0) check_pointer(lists, "lists");
  check(num_lists <= static_cast<size_t>(kMaxBatch), "num_lists: expected at most ", kMaxBatch, ", got ", num_lists);
  std::vector<std::vector<int32_t>> copies;
  for (size_t i = 0; i < num_lists; ++i) copies.push_back(copy_list("ids", lists[i].ids, lists[i].count));
  return copies;
}

std::vector<std::vector<int32_t>> copy_canvases(const int32_t* ids, size_t num_ids, int64_t canvas_length) {
  const auto length = static_cast<size_t>(canvas_length);
  check_pointer(ids, "canvas");
  check(num_ids <= length * static_cast<size_t>(kMaxBatch) && num_ids % length == 0, "num_canvas_ids: expected ",
        canvas_length, " for each sequence, got ", num_ids);
  std::vector<std::vector<int32_t>> canvases;
  for (size_t i = 0; i < num_ids; i += length) canvases.emplace_back(ids + i, ids + i + length);
  return canvases;
}

const Tokenizer& tokenizer_of(const Model& model) {
  check(model.tokenizer().has_value(), "this checkpoint has no tokenizer; pass token ids");
  return *model.tokenizer();
}

const Tokenizer& tokenizer_of(const gesso_model* model) {
  check_pointer(model, "model");
  return tokenizer_of(model->model);
}

std::vector<int32_t> prompt_ids(const Model& model, std::string_view prompt, const std::function<bool()>& interrupted) {
  const Tokenizer& tokenizer = tokenizer_of(model);
  check_length(prompt, tokenizer, model.config());
  return tokenizer.encode_prompt(prompt, interrupted);
}

gesso_result* make_result(Result result, const std::optional<Tokenizer>& tokenizer, Timings timings) {
  auto made = std::make_unique<gesso_result>();
  made->result = std::move(result);
  made->timings = std::move(timings);
  if (tokenizer) made->text = tokenizer->decode(made->result.ids);
  return made.release();
}

}  // namespace gesso::c
