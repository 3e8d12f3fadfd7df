#include "diffusion/stop_strings.h"

#include <algorithm>
#include <tuple>

namespace gesso::diffusion {

StopStrings::StopStrings(const Tokenizer& tokenizer, const std::vector<std::string>& strings)
    : strings_(strings), tokenizer_(tokenizer), decoder_(tokenizer) {}

std::optional<StopStrings::Cut> StopStrings::read(std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    if (num_held_ == 0 && tokenizer_.is_special(id)) {  // it adds no text
      ends_.push_back(text_.size());
      continue;
    }
    ++num_held_;
    const std::string added = decoder_.push({&id, 1});
    if (added.empty()) continue;
    text_ += added;
    ends_.insert(ends_.end(), num_held_, text_.size());
    num_held_ = 0;
  }
  // The text as it is if nothing follows. What is held back counts, too: the text may end here.
  const std::string text = text_ + StreamDecoder(decoder_).flush();
  std::optional<std::tuple<size_t, size_t>> first;  // the end and the beginning of the string that is complete first
  for (const std::string& string : strings_) {
    const size_t from = searched_ < string.size() ? 0 : searched_ - string.size() + 1;
    const size_t found = text.find(string, from);
    if (found == std::string::npos) continue;
    const std::tuple here(found + string.size(), found);
    first = first ? std::min(*first, here) : here;
  }
  if (first) return cut_at(text, std::get<1>(*first));
  searched_ = text_.size();
  return std::nullopt;
}

StopStrings::Cut StopStrings::cut_at(const std::string& text, size_t end) const {
  const auto kept = std::upper_bound(ends_.begin(), ends_.end(), end);  // the first id whose text goes beyond
  const size_t begin = kept == ends_.begin() ? 0 : *(kept - 1);
  return {kept - ends_.begin(), tokenizer_.encode(std::string_view(text).substr(begin, end - begin), false)};
}

}  // namespace gesso::diffusion
