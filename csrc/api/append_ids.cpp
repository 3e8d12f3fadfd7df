#include "api/append_ids.h"

#include <algorithm>

#include "core/check.h"

namespace gesso {

void check_ids(const char* what, std::span<const int32_t> ids, const ModelConfig& config) {
  for (int32_t id : ids) {
    check(id >= 0 && id < config.vocab_size, what, ": token id ", id, " outside the vocabulary [0, ", config.vocab_size,
          ")");
  }
}

void check_length(std::string_view text, const Tokenizer& tokenizer, const ModelConfig& config) {
  const int64_t fewest = tokenizer.fewest_ids(text.size());
  check(fewest <= config.max_position_embeddings, "the prompt has at least ", fewest,
        " tokens, more than the model's context of ", config.max_position_embeddings);
}

void append_ids(std::span<const std::vector<int32_t>> ids, std::span<model::Sequence> sequences,
                const ModelConfig& config) {
  const std::vector<int32_t>& placeholders = config.placeholder_token_ids;
  for (size_t i = 0; i < ids.size(); ++i) {
    check(!ids[i].empty() || !sequences[i].ids.empty(), "sequence ", i, ": the prompt is empty; at least one token");
    check_ids("ids", ids[i], config);
    const auto found = std::find_first_of(ids[i].begin(), ids[i].end(), placeholders.begin(), placeholders.end());
    check(found == ids[i].end(), "sequence ", i, ": token id ", found == ids[i].end() ? 0 : *found,
          " stands for an image, audio or video; only text is supported");
    const int64_t length = static_cast<int64_t>(sequences[i].ids.size() + ids[i].size());
    check(length <= config.max_position_embeddings, "sequence ", i, ": ", length,
          " tokens are more than the model's context of ", config.max_position_embeddings);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    sequences[i].ids.insert(sequences[i].ids.end(), ids[i].begin(), ids[i].end());
  }
}

}  // namespace gesso
