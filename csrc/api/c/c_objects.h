// What the files of the C interface share: its objects, and how C's arguments become those of C++.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "gesso/checkpoint.h"
#include "gesso/gesso.h"
#include "gesso/limits.h"
#include "gesso/model.h"

// The names of the keys and the tensors are kept, because C gets pointers to them.
struct gesso_checkpoint {
  explicit gesso_checkpoint(const gesso::Checkpoint& content)
      : checkpoint(content), keys(content.keys()), tensors(content.tensors()) {}

  gesso::Checkpoint checkpoint;
  std::vector<std::string> keys;
  std::vector<gesso::Checkpoint::TensorInfo> tensors;
};

struct gesso_model {
  gesso::Model model;
  gesso_checkpoint checkpoint;
  std::string chat_template;
};

struct gesso_result {
  gesso::Result result;
  std::optional<std::string> text;
  gesso::Timings timings;
};

namespace gesso::c {

void check_pointer(const void* pointer, const char* name);
void check_index(size_t index, size_t size);
// A field or an argument that says yes or no.
bool to_bool(const char* name, int64_t value);
// What C++ polls: whether C's callback ends the call. Empty for NULL.
std::function<bool()> to_interrupted(gesso_poll_callback poll, void* user_data);

// A copy of the caller's list. ArgumentError for NULL with items, and for more items than any list may have.
template <typename T>
std::vector<T> copy_list(const char* name, const T* items, size_t count) {
  if (count > 0) check_pointer(items, name);
  check(count <= static_cast<size_t>(kMaxContext), name, ": expected at most ", kMaxContext, " items, got ", count);
  return {items, items + count};
}
// The same for a prompt of one sequence, and for the lists of a batch.
std::vector<int32_t> copy_prompt(const int32_t* prompt, size_t length);
std::vector<std::vector<int32_t>> copy_lists(const gesso_ids* lists, size_t num_lists);
// Ids of whole canvases, one behind the other.
std::vector<std::vector<int32_t>> copy_canvases(const int32_t* ids, size_t num_ids, int64_t canvas_length);

// Writes as many items as there is room for, and how many there are. The room is NULL where nobody wants any.
template <typename T>
void give_list(const std::vector<T>& items, T* out, size_t capacity, size_t* count) {
  if (out) std::copy_n(items.begin(), std::min(capacity, items.size()), out);
  *count = items.size();
}
// Writes a text and its NUL if both fit, and how many bytes they take.
inline void give_text(const std::string& text, char* out, size_t capacity, size_t* count) {
  if (out && text.size() < capacity) std::memcpy(out, text.c_str(), text.size() + 1);
  *count = text.size() + 1;
}

// ArgumentError when the model has none.
const Tokenizer& tokenizer_of(const Model& model);
const Tokenizer& tokenizer_of(const gesso_model* model);
std::vector<int32_t> prompt_ids(const Model& model, std::string_view prompt,
                                const std::function<bool()>& interrupted = {});

// The caller frees it. Without a tokenizer it has no text.
gesso_result* make_result(Result result, const std::optional<Tokenizer>& tokenizer, Timings timings = {});

}  // namespace gesso::c
